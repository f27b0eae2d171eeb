"""Who may do what, as a table."""

from campaigns.access import SCOPES_OF, Role, Scope, is_allowed

MAY = {
    Role.VIEWER: "read",
    Role.AUTHOR: "read plan submit",
    Role.APPROVER: "read plan submit approve",
    Role.OPERATOR: "read read:numbers plan submit approve control suppress reply",
    Role.ADMIN: "read read:numbers plan submit approve control suppress reply admin",
}


def test_each_role_may_do_what_the_table_says_and_nothing_else() -> None:
    may = {role: {scope for scope in Scope if is_allowed(SCOPES_OF[role], scope)} for role in Role}
    assert may == {role: set(map(Scope, words.split())) for role, words in MAY.items()}


def test_a_scope_allows_itself_and_admin_allows_everything() -> None:
    allowed = {(given, needed) for given in Scope for needed in Scope if is_allowed({given}, needed)}
    assert allowed == {(scope, scope) for scope in Scope} | {(Scope.ADMIN, scope) for scope in Scope}
    assert not any(is_allowed(set(), needed) for needed in Scope)
