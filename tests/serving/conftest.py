from tests.support import served

template, reader, serve = served.template, served.reader, served.serve
