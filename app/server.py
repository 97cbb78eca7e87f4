"""The server of the screens: `streamlit run app/server.py` runs the frame, app/main.py, and says who may show it.

A page of another address could else show the workbench in a frame of its own, unseen below a button, and have a person press there.
"""

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.starlette import App

WHO_MAY_SHOW = {"Content-Security-Policy": "frame-ancestors 'self'", "X-Frame-Options": "SAMEORIGIN"}


class OwnFramesOnly:
    """Adds to each reply that only a page of this server may show it in a frame."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(WHO_MAY_SHOW)
            await send(message)

        await self._app(scope, receive, told)


app = App(Path(__file__).with_name("main.py"), middleware=[Middleware(OwnFramesOnly)])
