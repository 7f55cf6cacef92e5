"""What is still to be ingested, on both databases."""


def test_the_backlog_is_what_waits_since_when_and_what_failed(corpus, catalog, clock):
    store = catalog.create_store(name="s")
    assert (catalog.backlog().num_jobs, catalog.backlog().lag_s) == (0, 0.0)
    for _ in range(2):
        catalog.attach_file(store.id, corpus.upload())
        clock.now += 30
    backlog = catalog.backlog()
    assert (backlog.num_jobs, backlog.lag_s) == (2, 60.0)
    assert backlog.num_files == {"in_progress": 2, "completed": 0, "failed": 0, "cancelled": 0}
    catalog.fail_job(corpus.claim(), "invalid_file", "broken")
    backlog = catalog.backlog()
    assert (backlog.num_jobs, backlog.lag_s, backlog.num_files["failed"]) == (1, 30.0, 1)


def test_files_are_counted_by_store_and_of_many_stores_by_the_largest(corpus, catalog):
    stores = [catalog.create_store(name=f"s{number}").id for number in range(22)]
    for number, store in enumerate(stores):
        for _ in range(2 if number < 20 else 1):
            catalog.attach_file(store, corpus.upload())
    files = catalog.backlog().files
    assert files.keys() == {*stores[:20], ""}
    assert (files[stores[0]]["in_progress"], files[""]["in_progress"]) == (2, 2)
    assert files[""]["failed"] == 0
    assert catalog.backlog().num_files["in_progress"] == 42
