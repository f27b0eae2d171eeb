"""Campaigns and the versions of their files: stored once, found again by name and content."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.definition import Definition
from worker.store.models import Campaign, DefinitionRow
from worker.store.tables import campaigns, definitions, runs


@dataclass(frozen=True, slots=True)
class Version:
    """A campaign's file as it was at one time."""

    campaign_id: int
    definition_id: int


def register(
    session: Session, definition: Definition, *, rehearsal: bool, source: str, now: datetime, slug: str = ""
) -> Version:
    """Return the campaign and this version of its file, each stored once; `slug` if it goes by another name."""
    campaign_id = ensure_campaign(session, slug or definition.campaign, rehearsal=rehearsal, now=now)
    query = sa.select(definitions.c.id).where(
        definitions.c.campaign_id == campaign_id, definitions.c.content_hash == definition.content_hash
    )
    found: int | None = session.scalars(query).first()
    if found is not None:
        return Version(campaign_id, found)
    row = DefinitionRow(
        campaign_id=campaign_id,
        content_hash=definition.content_hash,
        source=source,
        body=definition.model_dump_json(),
        created_at=now,
    )
    session.add(row)
    session.flush()
    return Version(campaign_id, row.id)


def ensure_campaign(session: Session, slug: str, *, rehearsal: bool, now: datetime) -> int:
    """Return the campaign's row, making it if it is missing."""
    query = sa.select(campaigns.c.id).where(campaigns.c.slug == slug, campaigns.c.rehearsal == rehearsal)
    found: int | None = session.scalars(query).first()
    if found is not None:
        return found
    campaign = Campaign(slug=slug, rehearsal=rehearsal, created_at=now)
    session.add(campaign)
    session.flush()
    return campaign.id


def stored_definition(session: Session, definition_id: int) -> Definition:
    """Return this version as it was stored."""
    body = session.scalars(sa.select(definitions.c.body).where(definitions.c.id == definition_id)).one()
    return Definition.model_validate_json(body)


def definition_bodies(session: Session, definition_ids: Collection[int]) -> dict[int, str]:
    """Return several definitions as JSON, by id."""
    query = sa.select(definitions.c.id, definitions.c.body).where(definitions.c.id.in_(definition_ids))
    return dict(session.execute(query).all())


def adopt_definition(session: Session, run_id: int, definition_id: int) -> None:
    """Let another version of the campaign's file count from now on, for its steps, too; what was planned stays so."""
    its = sa.or_(runs.c.id == run_id, runs.c.root_id == run_id)
    session.execute(sa.update(runs).where(its).values(definition_id=definition_id))


def kinds(session: Session, run_ids: Collection[int]) -> dict[int, str]:
    """Return the kinds of these runs by their ids."""
    query = sa.select(runs.c.id, runs.c.kind).where(runs.c.id.in_(sorted(run_ids)))
    return {id_: kind for id_, kind in session.execute(query)}  # noqa: C416 - dict() takes no rows, by mypy
