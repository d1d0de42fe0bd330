{#- What embedding_relations holds of this relation, written in the same transaction as the relation itself. -#}
{% macro _record_relation(relation, options, rows) %}
    {% set table = samespace._own_table('embedding_relations') %}
    {% set place = [samespace.string_literal(relation.database), samespace.string_literal(relation.schema), samespace.string_literal(relation.identifier)] %}
    {% call statement('samespace_forget_relation') %}
        delete from {{ table }}
        where database_name = {{ place[0] }} and schema_name = {{ place[1] }} and identifier = {{ place[2] }}
    {% endcall %}
    {% call statement('samespace_record_relation') %}
        insert into {{ table }} (database_name, schema_name, identifier, key_column, text_column, embedding_column,
            model_ids, role, rows, updated_at)
        values ({{ place | join(', ') }}, {{ samespace.string_literal(options.key) }}, {{ samespace.string_literal(options.text) }},
            'embedding', {{ samespace.text_list_literal(options.specs | map(attribute='model_id') | list) }},
            {{ samespace.string_literal(options.role) }}, {{ rows }}, {{ samespace.utc_now() }})
    {% endcall %}
{% endmacro %}


{#- The role a relation was last built with: vectors of the other role are not reused. -#}
{% macro _recorded_role(relation) %}
    {{ return(samespace._recorded_facts(relation, relation.identifier, false).get('role')) }}
{% endmacro %}


{#- How many staged rows were cut at their model's window. -#}
{% macro _truncated(options, outcome) %}
    {% set counts = {} %}
    {% for spec in options.specs %}
        {% set row = run_query('select count(*) from __samespace_stage as s join ' ~ outcome[spec.model_id].cache
            ~ ' as c on c.content_hash = s.content_hash and c.role = '
            ~ samespace.string_literal(samespace._cache_role(spec, options.role)) ~ ' where c.truncated').rows[0] %}
        {% do counts.update({spec.model_id: row[0] | int}) %}
    {% endfor %}
    {{ return(counts) }}
{% endmacro %}


{#- One row of embedding_runs per model. -#}
{% macro _record_run(relation, options, outcome, counts, changes, truncated) %}
    {% for spec in options.specs %}
        {% set done = outcome[spec.model_id] %}
        {% set rate = (done.embedded | float) / (done.seconds | float) if done.embedded and done.seconds else none %}
        {% call statement('samespace_record_run') %}
            insert into {{ samespace._own_table('embedding_runs') }} (invocation_id, relation, model_id, role, rows,
                distinct_texts, embedded, cached, removed, updated, nulls, truncated, tokens, seconds, texts_per_second,
                engine, precision, finished_at)
            values ({{ samespace.string_literal(invocation_id) }}, {{ samespace.string_literal(relation) }},
                {{ samespace.string_literal(spec.model_id) }}, {{ samespace.string_literal(options.role) }}, {{ counts.rows }},
                {{ done.distinct_texts }}, {{ done.embedded }}, {{ done.distinct_texts - done.embedded }},
                {{ changes.removed }}, {{ changes.updated }}, {{ counts.nulls }}, {{ truncated[spec.model_id] }},
                {{ done.tokens if done.tokens is not none else 'null' }}, {{ done.seconds }}, {{ rate if rate is not none else 'null' }},
                {{ samespace.string_literal(done.engine) if done.engine else 'null' }},
                {{ samespace.string_literal(done.precision) if done.precision else 'null' }}, {{ samespace.utc_now() }})
        {% endcall %}
    {% endfor %}
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
