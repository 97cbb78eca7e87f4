from tests.support import served

template, serve = served.template, served.serve
