"""From a manifest and a running engine to what the node tells the swarm.

The smaller of both limits counts: what the manifest allows and what the engine can. What a server
says of itself is brought within the bounds of a record here: a record that can't be written would
keep the node from starting, and one that can't be read its agents from being known. A skill's
vector is the embedding of `name: description`, so whoever holds the same encoder can recompute it.
"""

from __future__ import annotations

from collections.abc import Mapping

from symphony.core.limits import MAX_CONCURRENCY
from symphony.core.owner.fitting import as_count, as_name
from symphony.core.records import Capability, Skill
from symphony.engines.base import Description
from symphony.manifests.load import AgentManifest
from symphony.manifests.schema import SkillSpec


def skill_text(skill: SkillSpec) -> str:
    """What is embedded of a skill."""
    return f"{skill.name}: {skill.description}"


def capability(
    manifest: AgentManifest,
    engine: Description,
    vectors: Mapping[str, bytes],
    encoder: str | None = None,
) -> Capability:
    """The record of this agent on an engine. `vectors` maps `skill_text` to 384 int8 bytes; a
    skill without one is matched by its words.
    """
    limits = manifest.limits
    return Capability(
        agent=manifest.name,
        roles=manifest.roles,
        skills=tuple(
            Skill(skill.name, skill.description, vectors.get(skill_text(skill)))
            for skill in manifest.skills
        ),
        model=as_name(engine.model),
        lineage=as_name(engine.lineage),
        engine=as_name(engine.engine),
        context_tokens=as_count(
            min(limits.context_tokens or engine.context_tokens, engine.context_tokens)
        ),
        concurrency=max(
            1, min(limits.concurrency or MAX_CONCURRENCY, engine.concurrency, MAX_CONCURRENCY)
        ),
        privacy=limits.privacy,
        manifest=manifest.digest,
        encoder=encoder if vectors else None,
    )
