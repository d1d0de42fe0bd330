{#- What embedding_relations holds of this relation, written in the same transaction as the relation itself. -#}
{% macro _record_relation(relation, options, rows) %}
    {% set table = samespace._own_table('embedding_relations') %}
    {% set place = [samespace.string_literal(relation.database), samespace.string_literal(relation.schema), samespace.string_literal(relation.identifier)] %}
    {% call statement('samespace_record_relation') %}
        delete from {{ table }}
        where database_name = {{ place[0] }} and schema_name = {{ place[1] }} and identifier = {{ place[2] }};
        insert into {{ table }} (database_name, schema_name, identifier, key_column, text_column, embedding_column,
            model_ids, role, rows, updated_at)
        values ({{ place | join(', ') }}, {{ samespace.string_literal(options.key) }}, {{ samespace.string_literal(options.text) }},
            'embedding', {{ samespace.text_list_literal(options.specs | map(attribute='model_id') | list) }},
            {{ samespace.string_literal(options.role) }}, {{ rows }}, {{ samespace.utc_now() }})
    {% endcall %}
{% endmacro %}


{#- Whether a relation was last built with this role. Unrecorded counts as yes where both roles have the same vectors. -#}
{% macro _holds_role(relation, options) %}
    {% set prompted = [] %}
    {% for spec in options.specs if samespace._cache_role(spec, 'query') == 'query' %}{% do prompted.append(spec) %}{% endfor %}
    {{ return(not prompted or samespace._recorded_facts(relation, relation.identifier, false).get('role') == options.role) }}
{% endmacro %}


{#- How many of the distinct texts were cut at their model's window, by model_id. -#}
{% macro _truncated(options, outcome) %}
    {% set counts = {} %}
    {% for spec in options.specs %}{% do counts.update({spec.model_id: outcome[spec.model_id].truncated | int}) %}{% endfor %}
    {{ return(counts) }}
{% endmacro %}


{#- One row of embedding_runs per model, and one per model whose rows left the relation with its name in the config. -#}
{% macro _record_run(relation, options, outcome, counts, changes, truncated) %}
    {% for spec in options.specs %}
        {% set done = outcome[spec.model_id] %}
        {% set rate = (done.embedded | float) / (done.seconds | float) if done.embedded and done.seconds else none %}
        {% do samespace._insert_run(relation, spec.model_id, options.role, {
            'rows': counts.rows, 'distinct_texts': done.distinct_texts, 'embedded': done.embedded,
            'cached': done.distinct_texts - done.embedded, 'removed': changes.by_model[spec.model_id].removed,
            'updated': changes.by_model[spec.model_id].updated, 'nulls': counts.nulls, 'truncated': truncated[spec.model_id],
            'tokens': done.tokens, 'seconds': done.seconds, 'texts_per_second': rate}, done.engine, done.precision) %}
    {% endfor %}
    {% for model_id, change in changes.by_model.items() if model_id not in outcome %}
        {% do samespace._insert_run(relation, model_id, options.role, {'removed': change.removed}, none, none) %}
    {% endfor %}
{% endmacro %}


{% macro _insert_run(relation, model_id, role, numbers, engine, precision) %}
    {% set values = [] %}
    {% for name in ['rows', 'distinct_texts', 'embedded', 'cached', 'removed', 'updated', 'nulls', 'truncated', 'seconds'] %}
        {% do values.append(numbers.get(name, 0) | string) %}
    {% endfor %}
    {% for name in ['tokens', 'texts_per_second'] %}
        {% do values.append(numbers[name] | string if numbers.get(name) is not none else 'null') %}
    {% endfor %}
    {% for text in [engine, precision] %}{% do values.append(samespace.string_literal(text) if text else 'null') %}{% endfor %}
    {% call statement('samespace_record_run') %}
        insert into {{ samespace._own_table('embedding_runs') }} (invocation_id, relation, model_id, role, rows,
            distinct_texts, embedded, cached, removed, updated, nulls, truncated, seconds, tokens, texts_per_second,
            engine, precision, finished_at)
        values ({{ samespace.string_literal(invocation_id) }}, {{ samespace.string_literal(relation) }},
            {{ samespace.string_literal(model_id) }}, {{ samespace.string_literal(role) }}, {{ values | join(', ') }},
            {{ samespace.utc_now() }})
    {% endcall %}
{% endmacro %}


{#- `EMBED 12 new, 4,788 cached, 3 removed, 1 null, 4 truncated`: what dbt prints beside the model. -#}
{% macro _result_line(options, outcome, counts, changes, truncated) %}
    {% set sums = {'new': 0, 'cached': 0, 'truncated': 0} %}
    {% for spec in options.specs %}
        {% set done = outcome[spec.model_id] %}
        {% do sums.update({'new': sums.new + done.embedded | int, 'truncated': sums.truncated + truncated[spec.model_id],
                           'cached': sums.cached + (done.distinct_texts - done.embedded) | int}) %}
    {% endfor %}
    {% set parts = [samespace._count(sums.new, 'new'), samespace._count(sums.cached, 'cached')] %}
    {% for number, word in [(changes.updated, 'updated'), (changes.removed, 'removed'), (counts.nulls, 'null'), (sums.truncated, 'truncated')] if number %}
        {% do parts.append(samespace._count(number, word)) %}
    {% endfor %}
    {{ return('EMBED ' ~ (parts | join(', '))) }}
{% endmacro %}


{% macro _count(number, word) %}
    {{ return('{:,}'.format(number | int) ~ ' ' ~ word) }}
{% endmacro %}


{#- Rows of the finished relation: known from the stage, unless rows stayed that it does not have. -#}
{% macro _rows_held(relation, options, counts, partial) %}
    {{ return(run_query('select count(*) from ' ~ relation).rows[0][0] | int if partial else counts.rows * options.specs | length) }}
{% endmacro %}
