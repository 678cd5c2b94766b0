"""From a manifest and a running engine to what the node tells the swarm.

The smaller of both limits counts: what the manifest allows and what the engine can. A skill's
vector is the embedding of `name: description`, so whoever holds the same encoder can recompute it.
"""

from __future__ import annotations

from collections.abc import Mapping

from symphony.core.records import Capability, Skill
from symphony.engines.base import Description
from symphony.manifests.load import AgentManifest
from symphony.manifests.schema import SkillSpec

_NAME_CHARS = 64  # the protocol's bound on a name


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
        model=engine.model[:_NAME_CHARS],
        lineage=engine.lineage[:_NAME_CHARS],
        engine=engine.engine[:_NAME_CHARS],
        context_tokens=min(limits.context_tokens or engine.context_tokens, engine.context_tokens),
        concurrency=min(limits.concurrency or engine.concurrency, engine.concurrency),
        privacy=limits.privacy,
        manifest=manifest.digest,
        encoder=encoder if vectors else None,
    )
