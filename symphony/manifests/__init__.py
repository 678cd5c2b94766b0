"""Agent manifests: the files that say what a node hosts.

Read `schema` (what may be said), then `load` (how it is checked), `probes`, `find` and
`capability` (what of it the swarm gets to know).
"""

from symphony.manifests.capability import capability as capability
from symphony.manifests.capability import skill_text as skill_text
from symphony.manifests.find import find_manifests as find_manifests
from symphony.manifests.find import manifest_files as manifest_files
from symphony.manifests.find import shipped_agents as shipped_agents
from symphony.manifests.load import AgentManifest as AgentManifest
from symphony.manifests.load import load_manifest as load_manifest
from symphony.manifests.load import manifest_digest as manifest_digest
from symphony.manifests.load import secret as secret
from symphony.manifests.manual import manual as manual
from symphony.manifests.probes import Probe as Probe
from symphony.manifests.schema import agent_schema as agent_schema
