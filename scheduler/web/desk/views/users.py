"""Who may sign in, and what they may do."""

from typing import Final

from campaigns.access import Role, Scope
from scheduler.actions.access.naming import NAME_RULE, readable_name
from scheduler.actions.access.users import SHORTEST, add_user, list_users, remove_user, set_password, set_role
from scheduler.actions.refusals import Refusal, Refused
from scheduler.web.desk.pages import DeskPage, DeskPlace, Go, Visit

USERS: Final = "/users"

MAY: Final = {
    Role.VIEWER: "sees campaigns, people, replies and opt-outs, with numbers masked and without texts",
    Role.AUTHOR: "also writes and submits campaigns",
    Role.APPROVER: "also approves plans",
    Role.OPERATOR: "also sees numbers, texts, System and Audit; pauses, sends again, answers, and changes opt-outs",
    Role.ADMIN: "also adds and removes users",
}


def users(asked: Visit) -> DeskPage:
    """Everybody who may sign in."""
    values = {"users": list_users(asked.runtime.store), "may": MAY, "shortest": SHORTEST, "by_proxy": _by_proxy(asked)}
    return DeskPage("users.html", {**values, "rule": NAME_RULE})


def add(asked: Visit) -> Go:
    """Add a user. Without a password, this one can only come through a proxy that signs people in."""
    password = asked.value("password") or (None if _by_proxy(asked) else "")
    written = asked.value("name").strip()
    name = add_user(asked.runtime.store, asked.who, written, _role(asked), password, now=asked.now)
    return Go(USERS, f"{name} may sign in{'' if name == written else ': the name is kept in small letters'}")


def change_role(asked: Visit) -> Go:
    """Give a user another role, at once."""
    name, role = _name(asked), _role(asked)
    set_role(asked.runtime.store, asked.who, name, role, now=asked.now)
    return Go(USERS, f"the role of {name} is {role.value}")


def change_password(asked: Visit) -> Go:
    """Give a user another password; wherever they are signed in, they are signed out."""
    name = _name(asked)
    set_password(asked.runtime.store, asked.who, name, asked.value("password"), now=asked.now)
    return Go(USERS, f"{name} has a new password, and has to sign in again")


def remove(asked: Visit) -> Go:
    """Remove a user."""
    name = _name(asked)
    remove_user(asked.runtime.store, asked.who, name, now=asked.now)
    return Go(USERS, f"{name} is removed")


def _name(asked: Visit) -> str:
    if not (name := readable_name(asked.path["name"])):
        raise Refused(Refusal.UNKNOWN_USER, "there is no such user")
    return name


def _role(asked: Visit) -> Role:
    written = asked.value("role")
    if written not in set(Role):
        raise Refused(Refusal.INVALID, "there is no such role; open the page again")
    return Role(written)


def _by_proxy(asked: Visit) -> bool:
    return bool(asked.runtime.settings.trusted_user_header)


PLACES: Final = (
    DeskPlace(USERS, users, Scope.ADMIN, act=add, act_scope=Scope.ADMIN, on=USERS, again=users),
    DeskPlace("/users/{name}/role", act=change_role, act_scope=Scope.ADMIN, on=USERS, again=users),
    DeskPlace("/users/{name}/password", act=change_password, act_scope=Scope.ADMIN, on=USERS, again=users),
    DeskPlace("/users/{name}/remove", act=remove, act_scope=Scope.ADMIN, on=USERS, again=users),
)
