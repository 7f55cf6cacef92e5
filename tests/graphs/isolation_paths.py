"""The other dialects and what is kept: more paths for the requests of test_isolation.py."""

from tests.graphs.isolation import QUESTION

SAID = {"role": "user", "content": QUESTION}


class OtherPaths:
    """Paths beside chats, search, files and stores; a part of `Requests`, which has the rest.

    What is kept is asked for by others, too: `self.kept` holds who made it and its path.
    """

    async def ask_completion(self, asker):
        body = {"model": "rag", "prompt": QUESTION}
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
