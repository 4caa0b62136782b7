"""`.env.example` lists every setting with its meaning and default, in the order of the class."""

from pathlib import Path

from hostaway_pipeline.settings import Settings, as_text

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SHOWN = {"reread_share": "1/30", "egress": "", "sync_calendar": "false"}


def expected() -> str:
    """Run this module to rewrite the file."""
    blocks = [
        "# Copy to .env and change what you need. What is commented out shows its default.\n"
        "# URLs of databases, keys and other secrets may stand in files: HOSTAWAY_API_KEYS_FILE=/run/secrets/api-keys."
    ]
    for name, field in Settings.model_fields.items():
        default = SHOWN.get(name, as_text(field.default))
        blocks.append(f"# {field.description}\n#HOSTAWAY_{name.upper()}={default}")
    return "\n\n".join(blocks) + "\n"


def test_the_example_equals_the_settings() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == expected()


if __name__ == "__main__":
    EXAMPLE.write_text(expected(), encoding="utf-8")
