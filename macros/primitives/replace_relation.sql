{#-
    Put a table that was just built in the place of another one, within the transaction. `replaced` receives what to
    drop after the commit.
-#}
{% macro replace_relation(existing, built, target_relation, replaced) %}
    {{ return(adapter.dispatch('replace_relation', 'samespace')(existing, built, target_relation, replaced)) }}
{% endmacro %}

{% macro default__replace_relation(existing, built, target_relation, replaced) %}
    {% set backup = make_backup_relation(target_relation, existing.type) %}
    {% do drop_relation_if_exists(load_cached_relation(backup)) %}
    {% do adapter.rename_relation(existing, backup) %}
    {% do adapter.rename_relation(built, target_relation) %}
    {% do replaced.append(backup) %}
{% endmacro %}

{#-
    DuckDB does not rename a table that has indexes, and finding them (duckdb_indexes()) fails while another thread drops
    a table. A drop rolls back like everything else: https://duckdb.org/docs/stable/sql/statements/transactions
-#}
{% macro duckdb__replace_relation(existing, built, target_relation, replaced) %}
    {% do adapter.drop_relation(existing) %}
    {% do adapter.rename_relation(built, target_relation) %}
{% endmacro %}


{#- Whether a table can get its indexes before it is renamed. -#}
{% macro renames_indexed_tables() %}
    {{ return(adapter.dispatch('renames_indexed_tables', 'samespace')()) }}
{% endmacro %}

{% macro default__renames_indexed_tables() %}
    {{ return(true) }}
{% endmacro %}

{#- "Cannot alter entry because there are entries that depend on it." https://duckdb.org/docs/stable/sql/indexes -#}
{% macro duckdb__renames_indexed_tables() %}
    {{ return(false) }}
{% endmacro %}
