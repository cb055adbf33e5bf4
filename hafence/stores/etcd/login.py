"""The login to an etcd cluster: user and password for a token, which etcd lets end after five minutes of quiet."""

from __future__ import annotations

import json
import os
import re

from ...adapters.local.secrets import read_secret
from ...effects import StoreError
from ..url import EtcdPlace
from .refused import refusal_in
from .reply import OddReply, document_in
from .wire import Lost, Member, Unsent

_TOKEN = re.compile(r"[!-~]{1,8192}\Z")


class Login:
    """Who the store's URL says we are. `token` is '' where no user is named, or no login has been made."""

    def __init__(self, place: EtcdPlace) -> None:
        self._place = place
        self.token = ""

    def forget(self) -> None:
        """The token is no longer taken."""
        self.token = ""

    def make_sure(self, member: Member, within_s: float) -> None:
        """Log in, if there is a user and no token. Raises StoreError, or Unsent where another member may do better.

        What a member says about a login is never repeated: it may quote the request. The password is read anew each
        time and not kept.
        """
        if not self._place.user or self.token:
            return
        body = json.dumps({"name": self._place.user, "password": self._password()}).encode()
        try:
            answer = member.call("/v3/auth/authenticate", body, "", within_s)
        except Lost as error:
            raise Unsent(str(error)) from None
        try:
            if answer.status == 200:
                self.token = _token_in(document_in(answer.body).get("token"))
                return
            refused = refusal_in(answer)
        except OddReply as odd:
            raise odd_reply(self._place, member, str(odd)) from None
        if refused is None:
            raise Unsent(f"{member.name} has no leader")
        if refused.means_no_logins:
            why = "its cluster has no authentication switched on: leave out user= and the password, or switch it on"
        else:
            why = "it does not take this user and password"
        raise StoreError(f"the store {self._place.name} cannot be used: {member.name} refuses the login: {why}")

    def _password(self) -> str:
        place = self._place
        sources = (("password_file", place.password_file), ("password_command", place.password_command))
        try:
            password = read_secret([(name, value) for name, value in sources if value], os.environ)
        except OSError as error:
            raise self._none(f"{place.password_file}: {error.strerror}") from None
        except ValueError as error:
            raise self._none(str(error)) from None
        if password is None:
            raise self._none("no source of it is named")
        return password

    def _none(self, why: str) -> StoreError:
        return StoreError(f"the password for the store {self._place.name} cannot be had: {why}")


def odd_reply(place: EtcdPlace, member: Member, what: str) -> StoreError:
    """The error for an answer that is not believed."""
    return StoreError(
        f"the store {place.name} cannot be used: {member.name} answered what no etcd says: {what}. See what "
        "listens there"
    )


def _token_in(value: object) -> str:
    """A token that can stand in a header."""
    if not isinstance(value, str) or not _TOKEN.match(value):
        raise OddReply("it gives no token for the login")
    return value
