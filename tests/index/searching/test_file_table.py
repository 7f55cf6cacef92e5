"""The table of files says of filters and passages what the files themselves would say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index.searching.file_table import FileTable
from index.searching.filters import matches, parse_filter

VALUES = [0, 1, 1.0, 2.5, -3, True, False, "1", "a", "b", "", 2**53 + 1, 2**53]
values = st.sampled_from(VALUES)
attributes = st.dictionaries(st.sampled_from("xyz"), values, max_size=3)
comparisons = st.one_of(
    st.builds(
        lambda type, key, value: {"type": type, "key": key, "value": value},
        st.sampled_from(["eq", "ne"]), st.sampled_from("xyz?"), values,
    ),
    st.builds(
        lambda type, key, value: {"type": type, "key": key, "value": value},
        st.sampled_from(["gt", "gte", "lt", "lte"]), st.sampled_from("xyz?"),
        values.filter(lambda value: not isinstance(value, bool)),
    ),
    st.builds(
        lambda type, key, value: {"type": type, "key": key, "value": value},
        st.sampled_from(["in", "nin"]), st.sampled_from("xyz?"), st.lists(values, max_size=3),
    ),
)  # fmt: skip
filters = st.recursive(
    comparisons,
    lambda parts: st.builds(
        lambda type, filters: {"type": type, "filters": filters},
        st.sampled_from(["and", "or"]), st.lists(parts, min_size=1, max_size=3),
    ),
    max_leaves=4,
)  # fmt: skip
# A file that is there goes; then it comes with so many passages and these attributes.
acts = st.lists(st.tuples(st.sampled_from("ABCDE"), st.integers(0, 4), attributes), max_size=25)


@given(acts, st.lists(filters, min_size=1, max_size=4), st.booleans())
def test_a_filter_over_the_table_equals_a_filter_over_each_file(acts, specs, compact):
    table, known, next_id = FileTable(), {}, 100
    for name, count, attributes in acts:
        if known.pop(name, None):
            table.remove(name)
        if count:
            ids = range(next_id, next_id + count)
            next_id += count + 1
            table.describe(table.add(name, ids), attributes, None)
            known[name] = (list(ids), attributes)
    if compact:
        table.compact()
        assert table.num_rows == table.num_passages
    assert table.num_passages == sum(len(ids) for ids, _ in known.values())
    assert sorted(table.chunk_ids) == sorted(i for ids, _ in known.values() for i in ids)
    for name, (ids, _) in known.items():
        assert table.chunk_ids_of(table.key_of(name)).tolist() == ids
    for wanted in map(parse_filter, specs):
        allowed = table.allowed(wanted, None)
        expected = {name for name, (_, own) in known.items() if matches(wanted, own)}
        rows = table.ids_of(np.flatnonzero(allowed.rows)).tolist()
        assert sorted(rows) == sorted(i for name in expected for i in known[name][0])
        assert {n for n in known if allowed.files[table.key_of(n)]} == expected


def test_a_table_forgets_values_that_no_file_has():
    table = FileTable()
    for number in range(5000):
        key = table.add("file", [number])
        table.describe(key, {"at": number}, None)
        table.remove("file")
    table.describe(table.add("file", [9]), {"at": 4999}, None)
    (column,) = table._attributes._columns.values()
    assert len(column._values) < 1500
    wanted = parse_filter({"type": "gte", "key": "at", "value": 4999})
    assert table.allowed(wanted, None).rows.sum() == 1


def test_many_removals_make_a_table_sparse_and_compacting_mends_it():
    table = FileTable()
    for number in range(3000):
        table.add(f"file-{number}", [number])
    assert not table.is_sparse
    for number in range(2500):
        table.remove(f"file-{number}")
    assert table.is_sparse
    assert table.compact().tolist() == list(range(2500, 3000))
    assert not table.is_sparse
    assert table.ids_of(table.rows_of(table.key_of("file-2600"))).tolist() == [2600]
