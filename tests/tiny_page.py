"""A visitor of the web page without a browser, who speaks Gradio's protocol."""

import json
import uuid

import requests


class Visitor:
    """What a visitor sees of one tab, and does there.

    Attributes:
      errors: Messages that the page showed.
    """

    def __init__(self, url, tab):
        self._api = f"{url}gradio_api"
        config = requests.get(f"{url}config").json()
        self._events = config["dependencies"]
        self._props = {each["id"]: each["props"] for each in config["components"]}
        self._inside = self._below(config["layout"], tab)
        self.errors = []

    def _below(self, node, tab, inside=False):
        """The components of a tab, in their order."""
        props = self._props.get(node["id"], {})
        found = [node["id"]] if inside else []
        inside = inside or (props.get("name"), props.get("label")) == ("tab", tab)
        for child in node.get("children") or []:
            found += self._below(child, tab, inside)
        return found

    def _find(self, name):
        """The first component with this label, text or type that can be seen."""
        for number in self._inside:
            props = self._props[number]
            names = [props.get(key) for key in ("label", "value", "name")]
            if name in names and props.get("visible", True):
                return number
        raise LookupError(name)

    def props(self, name):
        return self._props[self._find(name)]

    def sees(self, name):
        try:
            return bool(self._find(name))
        except LookupError:
            return False

    def text(self):
        """Everything that is written in the tab."""
        shown = (self._props[number] for number in self._inside)
        return "\n".join(str(p.get("value")) for p in shown if p.get("visible", True))

    def upload(self, path, name="Picture"):
        self.set(name, self.file(path))

    def file(self, path):
        """Uploads a file; the value of a component that holds it."""
        with open(path, "rb") as file:
            answer = requests.post(f"{self._api}/upload", files={"files": file})
        meta = {"_type": "gradio.FileData"}
        return {"path": answer.json()[0], "orig_name": path.name, "meta": meta}

    def set(self, name, value):
        number = self._find(name)
        self._props[number]["value"] = value
        self._trigger(number, "change")

    def press(self, name):
        self._trigger(self._find(name), "click")

    def release(self, name, value):
        """Moves a slider."""
        self._props[self._find(name)]["value"] = value
        self._trigger(self._find(name), "release")

    def select(self, name, index):
        """Chooses one picture of a gallery."""
        self._trigger(self._find(name), "select", {"index": index, "value": None})

    def download(self, name):
        """The file name and the bytes behind a download button."""
        value = self.props(name)["value"]
        answer = requests.get(f"{self._api}/file={value['path']}")
        assert answer.ok
        return value["orig_name"], answer.content

    def _trigger(self, number, event, data=None):
        for each in self._events:
            if [number, event] in each["targets"]:
                self._run(each, data)

    def _run(self, event, data=None):
        session = uuid.uuid4().hex
        inputs = [self._props[number].get("value") for number in event["inputs"]]
        body = {"data": inputs, "fn_index": event["id"], "session_hash": session}
        body["event_data"] = data
        joined = requests.post(f"{self._api}/queue/join", json=body)
        assert joined.ok, joined.text
        done = self._wait(session)
        if done["success"]:
            for number, value in zip(event["outputs"], done["output"]["data"]):
                self._receive(number, value)
        elif done["output"]["error"]:
            self.errors.append(done["output"]["error"])
        unwanted = "trigger_only_on_" + ("failure" if done["success"] else "success")
        for each in self._events:
            if each["trigger_after"] == event["id"] and not each[unwanted]:
                self._run(each)

    def _wait(self, session):
        address = f"{self._api}/queue/data?session_hash={session}"
        with requests.get(address, stream=True) as answer:
            for line in answer.iter_lines():
                message = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if message.get("msg") == "process_completed":
                    return message
        raise RuntimeError("The page fell silent.")

    def _receive(self, number, value):
        props = self._props[number]
        before = props.get("value")
        is_update = isinstance(value, dict) and value.pop("__type__", "") == "update"
        props.update(value if is_update else {"value": value})
        if props.get("value") != before:
            self._trigger(number, "change")
