"""Campaigns and the versions of their files: stored once, found again by name and content."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from campaigns.definition import Definition
from worker.store.models import Campaign, DefinitionRow


@dataclass(frozen=True, slots=True)
class Version:
    """A campaign's file as it was at one time."""

    campaign_id: int
    definition_id: int


def register(
    session: Session, definition: Definition, *, rehearsal: bool, source: str, now: datetime, slug: str = ""
) -> Version:
    """The campaign and this version of its file, each stored once; `slug` where it goes by another name."""
    campaign_id = ensure_campaign(session, slug or definition.campaign, rehearsal=rehearsal, now=now)
    query = select(DefinitionRow.id).where(
        DefinitionRow.campaign_id == campaign_id, DefinitionRow.content_hash == definition.content_hash
    )
    found = session.exec(query).first()
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
    """The campaign's row, made where it is missing."""
    query = select(Campaign.id).where(Campaign.slug == slug, Campaign.rehearsal == rehearsal)
    found = session.exec(query).first()
    if found is not None:
        return found
    campaign = Campaign(slug=slug, rehearsal=rehearsal, created_at=now)
    session.add(campaign)
    session.flush()
    return campaign.id


def stored_definition(session: Session, definition_id: int) -> Definition:
    """This version, as it was stored."""
    body = session.exec(select(DefinitionRow.body).where(DefinitionRow.id == definition_id)).one()
    return Definition.model_validate_json(body)


def definition_bodies(session: Session, definition_ids: Collection[int]) -> dict[int, str]:
    """Several definitions as JSON, by id."""
    query = select(DefinitionRow.id, DefinitionRow.body).where(col(DefinitionRow.id).in_(definition_ids))
    return dict(session.exec(query).all())
