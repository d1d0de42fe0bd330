{#-
    Build what the option `index` asks for on a finished relation, keep what is as it should be, drop what is not; say so
    where the engine has no such thing. Called inside the transaction that finishes the relation, before its last name.
-#}
{% macro vector_index(relation, options) %}
    {% if execute %}
        {{ return(adapter.dispatch('vector_index', 'samespace')(relation, options)) }}
    {% endif %}
{% endmacro %}

{% macro default__vector_index(relation, options) %}
    {% set asked = [] %}
    {% if options.storage and options.storage != 'vector' %}{% do asked.append('storage') %}{% endif %}
    {% set index = samespace._index_options(options.index, relation.identifier).type %}
    {% if index != 'none' and not (index == 'ivf' and samespace.keeps_cells()) %}{% do asked.append('index') %}{% endif %}
    {% if asked %}
        {% do samespace._say('embedding', 'the option(s) ' ~ (asked | join(', ')) ~ ' of ' ~ relation.identifier ~ ' have no effect on '
            ~ target.type ~ ': vectors are stored as ' ~ samespace.vector_type(options.specs[0].dimension) ~ ' and searched exactly.'
            ~ (' index: ivf makes cells there.' if index == 'hnsw' and samespace.keeps_cells() else '')) %}
    {% endif %}
{% endmacro %}

{#- One partial index per model_id: an index over several would hand a search rows of another space, and cost it the rest.
    https://github.com/pgvector/pgvector#filtering -#}
{% macro postgres__vector_index(relation, options) %}
    {% set index = samespace._index_options(options.index, relation.identifier) %}
    {% set vector = samespace._indexed_vector(relation, options) if index.type == 'hnsw' else none %}
    {% if index.type == 'ivf' %}
        {% do samespace._say('embedding', 'index: ivf of ' ~ relation.identifier ~ ' has no effect on ' ~ target.type
            ~ ', which keeps no cells: it is searched exactly. index: hnsw builds an index here.') %}
    {% endif %}
    {% set held, kept, missing = samespace._vector_indexes(relation), [], [] %}
    {% for spec in (options.specs if vector is not none else []) %}
        {% set prefix = samespace._index_name(spec.model_id, index, vector) %}
        {% set same = held | selectattr('valid') | selectattr('name', 'in', samespace._starting_with(held, prefix)) | list %}
        {% if same %}{% do kept.append(same[0].name) %}{% else %}{% do missing.append([spec, prefix]) %}{% endif %}
    {% endfor %}
    {% for old in held if old.name not in kept %}
        {% call statement('samespace_drop_index') %}drop index if exists {{ old.sql }}{% endcall %}
    {% endfor %}
    {% set rows = samespace._vectors_per_model(relation) if missing else {} %}
    {% for spec, prefix in missing %}
        {% set count = rows.get(spec.model_id, 0) %}
        {% if index.build == 'always' or count >= samespace._index_rows() %}
            {% do samespace._build_hnsw(relation, spec, index, vector, prefix, count) %}
        {% else %}
            {% do log('samespace.embedding: ' ~ relation.identifier ~ ' gets no index for ' ~ spec.model_id ~ ': below '
                ~ '{:,}'.format(samespace._index_rows()) ~ ' rows exact search is nearly as fast. index: {type: hnsw, build: always} builds one.') %}
        {% endif %}
    {% endfor %}
{% endmacro %}


{#-
    `build: auto` builds an index from here on. At 20,000 x 384 an exact search takes four times as long as one by index, at
    5,000 less than twice (benchmarks/results/index.md), while each new row of an indexed table costs 0.3 to 1 ms.
-#}
{% macro _index_rows() %}
    {{ return(20000) }}
{% endmacro %}


{#- {sql, operators} of what is indexed, or none where the vectors are too long for any index.
    https://github.com/pgvector/pgvector#hnsw -#}
{% macro _indexed_vector(relation, options) %}
    {% set dimension, half = options.specs[0].dimension, options.storage == 'halfvec' %}
    {% if dimension > 4000 %}
        {% do samespace._say('embedding', relation.identifier ~ ' gets no index: pgvector indexes at most 4,000 dimensions, and its vectors '
            ~ 'have ' ~ '{:,}'.format(dimension) ~ '. It is searched exactly.') %}
        {{ return(none) }}
    {% elif dimension > 2000 and not half %}
        {{ return({'sql': '(embedding::halfvec(' ~ dimension ~ '))', 'operators': 'halfvec_cosine_ops', 'half': true}) }}
    {% endif %}
    {{ return({'sql': 'embedding', 'operators': ('halfvec' if half else 'vector') ~ '_cosine_ops', 'half': false}) }}
{% endmacro %}


{#- The start of an index's name: which model_id, which settings. The table's oid follows: it survives renames, and two
    tables of one schema, such as the old one and its successor, must not meet. -#}
{% macro _index_name(model_id, index, vector) %}
    {{ return(samespace._index_names(model_id)
        ~ local_md5(index.m ~ '/' ~ index.ef_construction ~ '/' ~ vector.sql ~ '/' ~ vector.operators)[:6] ~ '_') }}
{% endmacro %}


{#- What the names of all indexes of a model_id start with. -#}
{% macro _index_names(model_id) %}
    {{ return('samespace_hnsw_' ~ local_md5(model_id)[:12] ~ '_') }}
{% endmacro %}


{% macro _starting_with(indexes, prefix) %}
    {% set names = [] %}
    {% for index in indexes if index.name.startswith(prefix) %}{% do names.append(index.name) %}{% endfor %}
    {{ return(names) }}
{% endmacro %}


{#- The indexes on a relation that this macro built: [{name, sql, valid}]. -#}
{% macro _vector_indexes(relation) %}
    {% set indexes = [] %}
    {% for row in run_query('select c.relname, n.nspname, i.indisvalid and i.indisready from pg_catalog.pg_index as i '
        ~ 'inner join pg_catalog.pg_class as c on c.oid = i.indexrelid inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace '
        ~ 'where i.indrelid = ' ~ samespace._table_oid(relation) ~ " and c.relname like 'samespace\\_hnsw\\_%' order by 1").rows %}
        {% do indexes.append({'name': row[0], 'sql': samespace._quote(row[1]) ~ '.' ~ samespace._quote(row[0]), 'valid': row[2]}) %}
    {% endfor %}
    {{ return(indexes) }}
{% endmacro %}


{% macro _table_oid(relation) %}
    {{ return('cast(to_regclass(' ~ samespace.string_literal(samespace._plain_name(relation)) ~ ') as oid)') }}
{% endmacro %}


{#- The name of a relation alone: under --empty, --sample and in microbatches it renders as a subquery. -#}
{% macro _plain_name(relation) %}
    {{ return(api.Relation.create(database=relation.database, schema=relation.schema, identifier=relation.identifier) ~ '') }}
{% endmacro %}


{% macro _vectors_per_model(relation) %}
    {% set counts = {} %}
    {% for row in run_query('select model_id, count(embedding) from ' ~ relation ~ ' group by 1').rows %}
        {% do counts.update({row[0]: row[1] | int}) %}
    {% endfor %}
    {{ return(counts) }}
{% endmacro %}
