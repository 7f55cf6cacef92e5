"""The other dialects and what is kept: more paths for the requests of isolation/requests.py."""

import json
import re

from tests.graphs.isolation.world import QUESTION, WORDS

SAID = {"role": "user", "content": QUESTION}


class OtherPaths:
    """Paths beside chats, search, files and stores; a part of `Requests`, which has the rest.

    What is kept is asked for by others, too: `self.kept` holds who made it and its path, and
    `self.batches` those whose output nobody has read yet.
    """

    async def ask_completion(self, asker):
        body = {"model": self.dice.choice(["rag", "generator"]), "prompt": QUESTION}
        return await self.call(asker, "POST", "/v1/completions", json=body)

    async def ask_cohere(self, asker):
        body = {"model": "rag", "messages": [SAID]}
        return await self.call(asker, "POST", "/v2/chat", json=body)

    async def ask_azure(self, asker):
        path = "/openai/deployments/rag/chat/completions?api-version=2024-10-21"
        return await self.call(asker, "POST", path, json={"messages": [SAID]})

    async def ask_twice(self, asker):
        """The same at once after one another, so that what a model remembers would show."""
        store = self.store(asker)
        path, body = f"/v1/vector_stores/{store.id}/search", {"query": QUESTION}
        others = [one for one in self.world.askers if one != asker]
        for one in (self.dice.choice(others), asker, self.dice.choice(others)):
            await self.checked(one, "POST", path, [store.id], json=body)
        return await self.call(asker, "POST", path, [store.id], json=body)

    async def ask_conversation(self, asker):
        """A talk with an answer in it, which others of no right ask for."""
        made = await self.call(asker, "POST", "/v1/conversations", json={})
        name = made[2].json().get("id")
        if name is None:
            return made
        body = {"model": "rag", "input": QUESTION, "conversation": name}
        told = await self.call(asker, "POST", "/v1/responses", [name], json=body)
        self.kept.append((asker, f"/v1/conversations/{name}/items"))
        return told

    async def ask_background(self, asker):
        body = {"model": "rag", "input": QUESTION, "background": True, "stream": True}
        told = await self.call(asker, "POST", "/v1/responses", json=body)
        marked = told[2].text.partition('"id":"resp_')[2]
        if told[2].status_code == 200 and marked:
            name = f"resp_{marked.partition(chr(34))[0]}"
            path = f"/v1/responses/{name}"
            self.kept += [(asker, f"{path}?stream=true&starting_after=0"), (asker, path)]
            self.kept.append((asker, f"{path}/input_items"))
        return told

    async def ask_for_what_is_kept(self, asker):
        others = [path for one, path in self.kept if not _may_have(asker, one)]
        if not others:
            return await self.ask_conversation(asker)
        path = self.dice.choice(others)
        told = await self.call(asker, "GET", path, [path.split("/")[3].partition("?")[0]])
        assert told[2].status_code in {403, 404}, (path, told[0])
        return told

    async def ask_batch(self, asker):
        """A question that is answered later."""
        if not asker.writes or asker.stores is not None:
            return await self.ask_for_what_is_kept(asker)
        url = "/v1/chat/completions"
        line = {"custom_id": "a", "method": "POST", "url": url, "body": {"model": "rag:docs"}}
        line["body"]["messages"] = [SAID]
        upload = {"file": ("in.jsonl", json.dumps(line).encode())}
        purpose = {"purpose": "batch"}
        made = await self.call(asker, "POST", "/v1/files", data=purpose, files=upload)
        body = {"input_file_id": made[2].json()["id"], "endpoint": url, "completion_window": "24h"}
        told = await self.call(asker, "POST", "/v1/batches", json=body)
        self.batches.append((asker, told[2].json()["id"]))
        self.kept.append((asker, f"/v1/batches/{self.batches[-1][1]}"))
        return told

    async def ask_batch_output(self, asker):
        """Of the oldest batch, by its maker; when it is there, others ask for it later."""
        if not self.batches:
            return await self.ask_batch(asker)
        maker, name = self.batches.pop(0)
        told = await self.checked(maker, "GET", f"/v1/batches/{name}")
        output = told.json()["output_file_id"]
        if output is None:
            self.batches.append((maker, name))
        else:
            path = f"/v1/files/{output}/content"
            await self.checked(maker, "GET", path)
            self.kept.append((maker, path))
        return "", (), told

    async def ask_link(self, asker):
        """The links of an answer open without a key, and open nothing else."""
        body = {"model": "rag:docs", "messages": [SAID]}
        told = await self.call(asker, "POST", "/v1/chat/completions", json=body)
        if told[2].status_code != 200:
            return told
        for one in told[2].json()["choices"][0]["message"].get("annotations") or ():
            path = re.sub(r"^https?://[^/]+|#.*$", "", one["url_citation"]["url"])
            opened = await self.checked(None, "GET", path, seen_by=asker)
            assert opened.status_code in {200, 404}, opened.text
            turned = re.sub(r"file-[0-9a-f]+", self.document(asker).id, path)
            if turned != path:
                refused = await self.checked(None, "GET", turned, seen_by=asker)
                assert refused.status_code in {401, 403, 404}, refused.text
        return told

    async def ask_rerank(self, asker):
        """The order of texts that others sent as well."""
        documents = self.dice.sample(WORDS, 4)
        return await self.call(
            asker, "POST", "/v1/rerank", json={"query": QUESTION, "documents": documents}
        )

    async def ask_wrongly(self, asker):
        """Errors tell nothing beyond what they were sent."""
        store, one = self.store(asker), self.document(asker)
        chat = {"model": f"rag:{store.id}", "messages": [SAID]}
        path, body = self.dice.choice(
            [
                ("/v1/chat/completions", chat | {"messages": []}),
                ("/v1/chat/completions", chat | {"rag": {"top_k": 51}}),
                ("/v1/responses", {"model": "rag", "input": QUESTION, "conversation": store.id}),
                (f"/v1/vector_stores/{store.id}/search", {"query": [], "filters": {"key": one.id}}),
                (f"/v1/files/{one.id}", {"access": 3}),
                ("/v1/vector_stores", {"name": 3, "file_ids": [one.id]}),
                ("/v1/batches", {"input_file_id": one.id, "endpoint": "/v1/chat/completions"}),
            ]
        )
        told = await self.call(asker, "POST", path, [store.id, one.id], json=body)
        assert told[2].status_code >= 400, (path, told[0])
        return told

    async def ask_lists(self, asker):
        """Of everything that is kept, also by those who may see all of a tenant."""
        path = self.dice.choice(
            ["/v1/batches", "/v1/chat/completions", "/v1/models", "/admin/v1/usage",
             "/admin/v1/keys", "/admin/v1/system", "/admin/v1/tenants", "/v1/files"]
        )  # fmt: skip
        return await self.call(asker, "GET", path)


def _may_have(asker, maker):
    """Whether one may read what another one was answered."""
    return asker.tenant == maker.tenant and (asker == maker or asker.principals is None)
