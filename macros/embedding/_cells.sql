{#- The option `index` where it asks for cells and the engine keeps them, else none. -#}
{% macro _cell_index(options, title) %}
    {% if options.index in [none, 'none', 'hnsw'] or not samespace.keeps_cells() %}
        {{ return(none) }}
    {% endif %}
    {% set index = samespace._index_options(options.index, title) %}
    {{ return(index if index.type == 'ivf' else none) }}
{% endmacro %}


{#- `build: auto` makes cells from here on. A choice, not a measurement: an exact search of fewer rows is quick as it is. -#}
{% macro _cell_rows() %}
    {{ return(50000) }}
{% endmacro %}


{% macro _cells_wanted(index, rows) %}
    {{ return(rows > 0 and (index.build == 'always' or rows >= samespace._cell_rows())) }}
{% endmacro %}


{#- What of the option decides how cells are made, as a text to compare. -#}
{% macro _cells_asked(index) %}
    {{ return(tojson({'cells': index.cells, 'recall': index.recall, 'probes': index.probes}, sort_keys=true)) }}
{% endmacro %}


{#-
    Whether a table that could be merged is built anew for its cells: the option was set or taken back, there are enough
    rows by now, or the cells no longer fit. Where columns changed as well, those are merged first.
-#}
{% macro _cells_due(title, options, existing, columns, held, counts) %}
    {% set index = samespace._cell_index(options, title) %}
    {% set has = '__samespace_cell' in held %}
    {% if (index is none and not has) or existing is none or flags.EMPTY or invocation_args_dict.get('sample') is not none %}
        {{ return(false) }}
    {% elif (index is not none) != has %}
        {{ return(true) }}
    {% elif columns | map('lower') | sort | list != held.keys() | reject('in', samespace._own_columns()) | sort | list %}
        {{ return(false) }}
    {% endif %}
    {% set facts, rows = samespace._cell_facts(existing), counts.rows - counts.nulls %}
    {% set reasons = [] %}
    {% for spec in options.specs %}
        {% do reasons.append(samespace._why_new_cells(index, facts.get(spec.model_id), rows)) %}
    {% endfor %}
    {% set reasons = reasons | select | unique | list %}
    {% if reasons %}
        {% do log('samespace.embedding: ' ~ title ~ ' is written anew, with new cells: ' ~ (reasons | join(', ')), info=true) %}
    {% endif %}
    {{ return(reasons | length > 0) }}
{% endmacro %}


{#-
    Both limits are choices. Rows added since are not sorted, so a scan of a few cells cannot skip them as well; centroids made of
    half the rows fit the others by chance.
-#}
{% macro _why_new_cells(index, fact, rows) %}
    {% if not fact %}
        {{ return('{:,}'.format(rows) ~ ' rows and none yet' if samespace._cells_wanted(index, rows) else '') }}
    {% elif fact.asked != samespace._cells_asked(index) %}
        {{ return('the option index changed') }}
    {% elif rows > 2 * fact.rows_trained %}
        {{ return('{:,}'.format(rows) ~ ' rows instead of the ' ~ '{:,}'.format(fact.rows_trained) ~ ' they were made for') }}
    {% elif fact.appended > 0.2 * fact.rows and fact.appended > 1000 %}
        {{ return('{:,}'.format(fact.appended) ~ ' rows were added since it was sorted') }}
    {% endif %}
    {{ return('') }}
{% endmacro %}


{#- The columns that samespace adds to a relation. -#}
{% macro _own_columns() %}
    {{ return(['model_id', 'content_hash', 'embedding', '__samespace_cell']) }}
{% endmacro %}


{#- SQL: a select of the finished shape, with the cell where a relation has one. -#}
{% macro _with_cell(shape, options) %}
    {{ return('select *, cast(null as integer) as __samespace_cell from (' ~ shape ~ ') as _shape'
              if samespace._cell_index(options, none) is not none else shape) }}
{% endmacro %}


{#-
    The Python that makes or looks up the cells of the staged texts, in temp tables that _final_select and _record_cells
    read; none where there is nothing to do. dbt lets a materialization's own body alone run it.
-#}
{% macro _train_job(title, relation, options, outcome, counts) %}
    {% set index = samespace._cell_index(options, title) %}
    {% if index is none %}
        {{ return(none) }}
    {% elif samespace._cells_wanted(index, counts.rows - counts.nulls) and not flags.EMPTY %}
        {{ return(samespace._cells_job('train', title, relation, options, outcome, index)) }}
    {% elif counts.rows %}
        {% do log('samespace.embedding: ' ~ relation.identifier ~ ' gets no index: below ' ~ '{:,}'.format(samespace._cell_rows())
            ~ ' rows it is searched exactly. index: {type: ivf, build: always} builds one.') %}
    {% endif %}
    {% do samespace._no_new_cells() %}
    {{ return(none) }}
{% endmacro %}


{#- The same before a merge: new and changed texts, by the centroids that are there. -#}
{% macro _assign_job(title, relation, options, outcome, changes, held) %}
    {% if '__samespace_cell' not in held or not (changes.inserted or changes.embedded) %}
        {{ return(none) }}
    {% elif samespace._cell_facts(relation) %}
        {{ return(samespace._cells_job('assign', title, relation, options, outcome, {})) }}
    {% endif %}
    {% do samespace._no_new_cells() %}
    {{ return(none) }}
{% endmacro %}


{% macro _cells_job(mode, title, relation, options, outcome, index) %}
    {% set models = [] %}
    {% for spec in options.specs %}
        {% do models.append({'model_id': spec.model_id, 'dimension': spec.dimension, 'cache': outcome[spec.model_id].cache,
            'role': samespace._cache_role(spec, options.role), 'table': samespace._own_table('ivf_cells_' ~ spec.dimension) ~ ''}) %}
    {% endfor %}
    {{ return(samespace.cells_job_code(tojson({
        'mode': mode, 'title': title, 'relation': [relation.schema, relation.identifier], 'models': models,
        'stage': '__samespace_stage', 'catalog': target.database, 'schema': var('samespace_schema', 'samespace'),
        'cells': index.get('cells'), 'probes': index.get('probes'), 'recall': index.get('recall'),
    }))) }}
{% endmacro %}


{#- Stop where that job failed; say what it made. -#}
{% macro _cells_done(relation) %}
    {% for row in run_query('select message, model_id, rows, seconds, cells, share_10, recall_10, p5_10 from __samespace_cell_facts order by 2').rows %}
        {% if row[0] is not none %}{{ exceptions.raise_compiler_error(row[0]) }}{% endif %}
        {% do samespace._say('embedding', 'index of ' ~ relation.identifier ~ ' for ' ~ row[1] ~ ': ' ~ '{:,}'.format(row[2] | int) ~ ' texts in '
            ~ '{:.1f}'.format(row[3] | float) ~ ' s (ivf, ' ~ '{:,}'.format(row[4] | int) ~ ' cells; a search compares '
            ~ '{:.1f}'.format(100 * row[5] | float) ~ ' % of the rows and finds ' ~ '{:.1f}'.format(100 * row[6] | float)
            ~ ' % of the 10 nearest, ' ~ '{:.0f}'.format(100 * row[7] | float) ~ ' % in the worst 5 % of searches)') %}
    {% endfor %}
{% endmacro %}


{% macro _no_new_cells() %}
    {% for name, columns in [('cells', 'cast(null as varchar) as model_id, cast(null as varchar) as content_hash, cast(null as integer) as cell'),
                             ('cell_facts', 'cast(null as varchar) as model_id')] %}
        {% call statement('samespace_no_cells') %}
            {{ samespace.create_temp_table('__samespace_' ~ name, 'select ' ~ columns ~ ' where 1 = 0') }}
        {% endcall %}
    {% endfor %}
{% endmacro %}


{#- What the tables of cells hold of this relation, in the transaction that finishes it. -#}
{% macro _record_cells(relation, options, rebuild, changes, held) %}
    {% set index = samespace._cell_index(options, relation.identifier) %}
    {% if rebuild and (index is not none or '__samespace_cell' in held) %}
        {% do samespace._forget_cells(relation) %}
        {% if index is not none %}{% do samespace._keep_cells(relation, options, index) %}{% endif %}
    {% elif '__samespace_cell' in held and (changes.inserted or changes.embedded or changes.removed) and samespace._cell_facts(relation) %}
        {% for spec in options.specs %}
            {% set change = changes.by_model[spec.model_id] %}
            {% call statement('samespace_count_cells') %}
                update {{ samespace._own_table('ivf_indexes') }}
                set rows = (select count(__samespace_cell) from {{ relation }} where model_id = {{ samespace.string_literal(spec.model_id) }}),
                    appended = appended + {{ change.inserted + change.embedded }}
                where {{ samespace._cells_of(relation) }} and model_id = {{ samespace.string_literal(spec.model_id) }}
            {% endcall %}
        {% endfor %}
    {% endif %}
{% endmacro %}


{% macro _forget_cells(relation) %}
    {% for table in samespace.own_tables('ivf_') %}
        {% call statement('samespace_forget_cells') %}
            delete from {{ samespace._own_table(table) }} where {{ samespace._cells_of(relation) }}
        {% endcall %}
    {% endfor %}
{% endmacro %}


{#- What is kept of tables that no longer exist, or no longer have cells: said, and removed where `apply` is. -#}
{% macro _prune_cells(apply) %}
    {% set table, lost = samespace._own_table('ivf_indexes'), [] %}
    {% for row in (run_query('select distinct schema_name, identifier from ' ~ table ~ ' order by 1, 2').rows
                   if samespace.keeps_cells() and samespace.table_exists(table) else []) %}
        {% set relation = api.Relation.create(database=target.database, schema=row[0], identifier=row[1]) %}
        {% if not samespace.table_exists(relation) or '__samespace_cell' not in samespace._types_of(relation) %}
            {% do lost.append(relation) %}
        {% endif %}
    {% endfor %}
    {% for relation in lost %}
        {% if apply %}{% do samespace._forget_cells(relation) %}{% endif %}
        {% do samespace._say_pruned('the cells of ' ~ relation.schema ~ '.' ~ relation.identifier ~ ', which no longer has any, '
            ~ ('were' if apply else 'would be') ~ ' removed') %}
    {% endfor %}
    {{ return(lost | length) }}
{% endmacro %}


{% macro _keep_cells(relation, options, index) %}
    {% set place = samespace.string_literal(relation.schema) ~ ', ' ~ samespace.string_literal(relation.identifier) %}
    {% for spec in options.specs if run_query('select 1 from __samespace_cell_facts where model_id = ' ~ samespace.string_literal(spec.model_id)).rows %}
        {% set id = samespace.string_literal(spec.model_id) %}
        {% call statement('samespace_keep_cells') %}
            insert into {{ samespace._own_table('ivf_cells_' ~ spec.dimension) }} (schema_name, identifier, model_id, cell, centroid)
            select {{ place }}, model_id, cell, centroid from __samespace_centroids where model_id = {{ id }} order by cell;
            insert into {{ samespace._own_table('ivf_indexes') }} (schema_name, identifier, model_id, dimension, cells, share_10, share_100,
                recall_10, p5_10, recall_100, rows, rows_trained, appended, asked, built_at)
            select {{ place }}, f.model_id, {{ spec.dimension }}, f.cells, f.share_10, f.share_100, f.recall_10, f.p5_10, f.recall_100,
                h.rows, h.rows, 0, {{ samespace.string_literal(samespace._cells_asked(index)) }}, {{ samespace.utc_now() }}
            from __samespace_cell_facts as f
            cross join (select count(__samespace_cell) as rows from {{ relation }} where model_id = {{ id }}) as h
            where f.model_id = {{ id }}
        {% endcall %}
    {% endfor %}
{% endmacro %}
