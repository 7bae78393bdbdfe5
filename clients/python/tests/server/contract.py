"""What the OpenAPI document says, held against what a client sends and gets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    import httpx

ROOT = "urn:openapi"


@dataclass
class Contract:
    """An OpenAPI document that exchanges are held against."""

    document: dict[str, Any]

    def __post_init__(self) -> None:
        resource = Resource.from_contents(self.document, default_specification=DRAFT202012)
        self._registry = Registry().with_resource(ROOT, resource)

    @property
    def operations(self) -> set[str]:
        """Every operation's name."""
        return {
            operation["operationId"]
            for methods in self.document["paths"].values()
            for operation in methods.values()
        }

    def check(self, response: httpx.Response) -> None:
        """Holds an exchange against the document; the response must have been read.

        Raises:
            AssertionError: It does not keep to it.
        """
        request = response.request
        template, operation = self._operation(request)
        where = f"{request.method} {request.url.path} -> {response.status_code}"
        known = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert set(request.url.params) <= known, f"{where}: unknown parameters"
        if request.content and response.is_success:
            self._holds(where, operation["requestBody"]["content"], request)
        answers = operation["responses"]
        assert str(response.status_code) in answers, f"{where}: {template} has {sorted(answers)}"
        content = answers[str(response.status_code)].get("content")
        if content is None:
            assert response.content == b"", f"{where}: a body that the document does not have"
        else:
            self._holds(where, content, response)

    def _operation(self, request: httpx.Request) -> tuple[str, dict[str, Any]]:
        for template, methods in self.document["paths"].items():
            pattern = re.sub(r"\\{[^/]+?\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, request.url.raw_path.decode().partition("?")[0]):
                return template, methods[request.method.lower()]
        raise AssertionError(f"{request.method} {request.url.path} stands in no document")

    def _holds(self, where: str, content: Any, message: httpx.Request | httpx.Response) -> None:  # noqa: ANN401
        media_type = message.headers["content-type"].partition(";")[0]
        assert media_type in content, f"{where}: the document has {sorted(content)}"
        self.validate(where, content[media_type]["schema"], json.loads(message.content))

    def validate(self, where: str, schema: Any, value: object) -> None:  # noqa: ANN401
        """Holds a value against one of the document's schemas."""
        validator = Draft202012Validator(self._absolute(schema), registry=self._registry)
        faults = [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(value)]
        assert not faults, f"{where}: {faults[:5]}"

    def component(self, name: str) -> dict[str, str]:
        """The schema of this name."""
        return {"$ref": f"#/components/schemas/{name}"}

    def _absolute(self, schema: Any) -> Any:  # noqa: ANN401
        """References that stand in a schema are to the whole document."""
        if isinstance(schema, dict):
            return {
                key: ROOT + value if key == "$ref" else self._absolute(value)
                for key, value in schema.items()
            }
        return [self._absolute(item) for item in schema] if isinstance(schema, list) else schema
