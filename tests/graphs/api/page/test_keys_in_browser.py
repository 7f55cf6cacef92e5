"""Keys of the page in Chromium: made, rotated, revoked, each text shown once and kept nowhere."""

from contextlib import asynccontextmanager

import pytest

from graphs.config import GatewayConfig
from graphs.settings import AuthSettings
from index.catalog.keys.records import KeyGrant
from tests.browser import copied, focused, needs_chromium, screenshot_path, violations_async

pytestmark = needs_chromium

FRESH_S = 0.1
PATH = "/admin/v1/keys"
ASKED_FIRST = ("/v1/models", "/v1/vector_stores?limit=100")  # without a key
# Where the text of a key would be: fields, attributes, what outlives the page, addresses.
_HELD = """() => JSON.stringify([
    [...document.querySelectorAll("input, textarea")].map(one => one.value),
    document.documentElement.outerHTML, {...localStorage}, document.cookie, history.state,
    location.href, performance.getEntries().map(one => one.name),
])"""


@pytest.fixture
def api_config(api_config):
    auth = AuthSettings(keys=True, fresh_s=FRESH_S)
    return GatewayConfig(**{**vars(api_config), "auth": auth})


@pytest.fixture
def operator(api_catalog):
    grant = KeyGrant(scopes=frozenset({"admin"}), tenant="acme", name="operator")
    return api_catalog.create_key(grant).token


@pytest.fixture
def reader(api_catalog):
    grant = KeyGrant(scopes=frozenset({"query"}), tenant="acme", name="reader")
    return api_catalog.create_key(grant).token


@pytest.fixture
async def keys_view(open_page, operator):
    """Opens the view with the operator's key; `options` are of the browser's page."""

    @asynccontextmanager
    async def opened(*refused, key=operator, **options):
        async with open_page(*ASKED_FIRST, *refused, **options) as page:
            await page.get_by_role("button", name="API key").click()
            await page.get_by_label("Key", exact=True).fill(key)
            await page.get_by_role("button", name="Use this key").click()
            await page.get_by_role("link", name="Keys and usage").click()
            await page.get_by_role("region", name="Keys").wait_for()
            yield page

    return opened


async def shown_key(page):
    """Reads the key in its dialog, closes that, and holds that nothing of it is left."""
    text = await page.get_by_label("Key", exact=True).input_value()
    assert text.startswith("rf_")
    await page.keyboard.press("Escape")
    await page.locator("dialog").wait_for(state="detached")
    assert text.split("_", 2)[2] not in await page.evaluate(_HELD)
    return text


async def status_of(api_http, text, path=PATH):
    reply = await api_http.get(path, headers={"authorization": f"Bearer {text}"})
    return reply.status_code


async def refused(page, api_http, text):
    await page.wait_for_timeout(2_000 * FRESH_S)  # what a Gateway knows of a key may be so old
    assert await status_of(api_http, text, "/v1/files") == 401


async def test_a_key_is_made_by_keyboard_and_works(keys_view, api_http):
    async with keys_view() as page:
        await page.get_by_role("button", name="Create a key").focus()
        await page.keyboard.press("Enter")
        await page.keyboard.type("reader")  # the focus is in its first field
        assert await violations_async(page) == []
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Key reader").wait_for()
        assert await violations_async(page) == []
        text = await shown_key(page)
        assert await focused(page) == "Create a key"
        await page.locator("tr", has_text="reader").get_by_text("active").wait_for()
    assert await status_of(api_http, text, "/v1/files") == 200


async def test_a_key_is_rotated(keys_view, api_http, reader):
    async with keys_view() as page:
        await page.get_by_role("button", name="Rotate reader").click()
        await page.get_by_label("The text before is taken for").select_option("0")
        assert await violations_async(page) == []
        await page.get_by_role("button", name="Rotate", exact=True).click()
        await page.get_by_role("heading", name="Key reader").wait_for()
        text = await shown_key(page)
        await page.get_by_role("columnheader", name="rotated at").wait_for()
        assert await focused(page) == "Rotate reader"  # of the table that was drawn anew
        await refused(page, api_http, reader)
    assert await status_of(api_http, text, "/v1/files") == 200


async def test_a_key_is_revoked_when_that_is_confirmed(keys_view, api_http, reader):
    async with keys_view() as page:
        await page.get_by_role("button", name="Revoke reader").click()
        await page.keyboard.press("Escape")
        assert await focused(page) == "Revoke reader"
        assert await status_of(api_http, reader, "/v1/files") == 200
        await page.keyboard.press("Enter")
        assert await violations_async(page) == []
        await page.get_by_role("button", name="Revoke", exact=True).click()
        await page.locator("tr", has_text="reader").get_by_text("revoked").wait_for()
        await page.get_by_role("button", name="Rotate reader").wait_for(state="detached")
        assert await focused(page) == "Create a key"
        await refused(page, api_http, reader)


async def test_all_that_a_key_may_be_is_sent_and_the_key_copied(
    keys_view, api_http, operator, tmp_path
):
    granted = ["clipboard-read", "clipboard-write"]
    store = f"read:vs_{'0' * 32}"
    phone = {"width": 360, "height": 740}
    async with keys_view(permissions=granted, viewport=phone, color_scheme="dark") as page:
        await page.get_by_role("button", name="Create a key").click()
        for label, value in {
            "Name": "crawler", "Or single stores": store, "As which user": "ann",
            "As a member of": "sales\n ops ", "Ends after": "30", "Tokens a minute": "500",
            "Requests at once": "2",
        }.items():  # fmt: skip
            await page.get_by_label(label).fill(value)
        await page.get_by_label("Class").select_option("flex")
        await page.get_by_label("query").uncheck()
        await page.get_by_label("ingest").check()
        await page.screenshot(path=screenshot_path(tmp_path, "create-key-on-a-phone.png"))
        assert await page.evaluate("() => document.documentElement.scrollWidth") <= 360
        assert await page.evaluate("() => document.querySelector('dialog').scrollWidth") <= 360
        await page.get_by_role("button", name="Create", exact=True).dblclick()
        text = await copied(page, page.get_by_role("button", name="Copy the key"))
        await page.screenshot(path=screenshot_path(tmp_path, "new-key-on-a-phone.png"))
        await page.mouse.click(1, 1)  # beside the dialog, which stays: the key is shown but once
        assert await violations_async(page) == []
        assert await shown_key(page) == text
    told = (await api_http.get(PATH, headers={"authorization": f"Bearer {operator}"})).json()
    _, made = told["data"]  # one key, though it was clicked twice
    assert made["expires_at"] - made["created_at"] == 30 * 86_400
    assert {name: made[name] for name in ("tenant", "user", "groups", "service_class")} == {
        "tenant": "acme", "user": "ann", "groups": ["ops", "sales"], "service_class": "flex",
    }  # fmt: skip
    assert made["scopes"] == ["ingest", store]
    assert made["limits"] == {"tokens_per_min": 500, "max_concurrent": 2}


async def test_what_the_server_refuses_stands_beside_its_field(keys_view, tmp_path):
    async with keys_view(PATH) as page:
        await page.get_by_role("button", name="Create a key").click()
        create = page.get_by_role("button", name="Create", exact=True)
        for label, value, told in (
            ("Class", "priority", "service_class must not be above that of your own key"),
            ("Or single stores", "reed:vs_1", "scopes must be some of"),
        ):
            control = page.get_by_label(label)
            is_choice = label == "Class"
            await (control.select_option(value) if is_choice else control.fill(value))
            await create.click()
            await page.locator("#at-fault", has_text=told).wait_for()
            assert await page.locator("#at-fault").count() == 1
            marked = page.locator("[aria-invalid]")
            assert await marked.get_attribute("aria-describedby") == "at-fault"
            assert await marked.evaluate("one => one === document.activeElement")
            assert told in await page.locator("dialog [role=status]").inner_text()
            await page.screenshot(path=screenshot_path(tmp_path, "refused-key.png"))
            assert await violations_async(page) == []
            await (control.select_option("default") if is_choice else control.fill(""))
        await page.get_by_label("query").uncheck()
        await create.click()
        await page.locator(".choices + #at-fault", has_text="scopes").wait_for()


async def test_the_page_goes_on_with_its_own_key_when_that_is_rotated(
    keys_view, api_http, operator
):
    async with keys_view() as page:
        await page.get_by_role("button", name="Rotate operator").click()
        await page.get_by_label("The text before is taken for").select_option("0")
        await page.get_by_text("This page goes on with the new one.").wait_for()
        await page.get_by_role("button", name="Rotate", exact=True).click()
        text = await shown_key(page)
        await page.get_by_role("columnheader", name="rotated at").wait_for()
        await refused(page, api_http, operator)
        assert await status_of(api_http, text) == 200


async def test_who_may_not_make_keys_is_not_offered_to(open_page, api_catalog):
    text = api_catalog.create_key(KeyGrant(scopes=frozenset({"query"}))).token
    async with open_page(*ASKED_FIRST, PATH, "/admin/v1/usage") as page:
        await page.get_by_role("button", name="API key").click()
        await page.get_by_label("Key", exact=True).fill(text)
        await page.get_by_role("button", name="Use this key").click()
        await page.get_by_role("link", name="Keys and usage").click()
        await page.locator(".problem").nth(1).wait_for()
        assert await page.get_by_role("button", name="Create a key").count() == 0
