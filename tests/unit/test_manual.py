import json
from pathlib import Path

import yaml
from pydantic import BaseModel

import promptreg
from promptreg import manual
from promptreg.config import Config
from promptreg.settings import load, load_file

ROOT = Path(promptreg.__file__).parents[1]


def test_the_generated_files_of_the_repository_have_not_drifted():
    assert manual.drift(ROOT) == []


def test_what_is_written_has_not_drifted_until_somebody_edits_or_removes_it(tmp_path):
    manual.write(tmp_path)
    assert manual.drift(tmp_path) == []
    (tmp_path / manual.CONFIG).write_text("seed: 1\n")
    (tmp_path / manual.SCHEMA).unlink()
    assert manual.drift(tmp_path) == [manual.CONFIG, manual.SCHEMA]


def test_the_generated_configuration_is_exactly_the_defaults(tmp_path):
    manual.write(tmp_path)
    assert load_file(tmp_path / manual.CONFIG) == Config()


def test_every_key_stands_in_the_configuration_beneath_its_description():
    lines = manual.generated()[manual.CONFIG].splitlines()
    for model in sections(Config):
        for name, info in model.model_fields.items():
            places = [number for number, line in enumerate(lines) if line.strip().startswith(f"{name}:")]
            assert places, name
            if info.description:
                assert any(lines[number - 1].strip() == f"# {info.description}" for number in places), name


def test_the_schema_is_closed_and_says_what_every_knob_does():
    schema = json.loads(manual.generated()[manual.SCHEMA])
    for name, part in {"Config": schema, **schema["$defs"]}.items():
        assert part["additionalProperties"] is False, name
        for key, entry in part["properties"].items():
            assert "description" in entry or "$ref" in entry, f"{name}.{key}"


def test_the_defaults_of_the_generated_variants_survive_being_read_back():
    raw = yaml.safe_load(manual.generated()[manual.CONFIG])
    assert load(raw).variants == Config().variants
    assert raw["variants"]["promptreg"] == {}


def sections(model: type[BaseModel]):
    """The model and its nested sections."""
    yield model
    for info in model.model_fields.values():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from sections(info.annotation)
