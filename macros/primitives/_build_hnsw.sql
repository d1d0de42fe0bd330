{#- Build one partial HNSW index and say what it took. -#}
{% macro _build_hnsw(relation, spec, index, vector, prefix, rows) %}
    {% set began = modules.datetime.datetime.now() %}
    {% set memory = samespace._build_memory(relation, spec, index, vector, rows) %}
    {% set oid = run_query('select ' ~ samespace._table_oid(relation)).rows[0][0] | int %}
    {% set create = 'create index ' ~ samespace._quote(prefix ~ oid) ~ ' on ' ~ relation ~ ' using hnsw (' ~ vector.sql ~ ' '
        ~ vector.operators ~ ') with (m = ' ~ index.m ~ ', ef_construction = ' ~ index.ef_construction ~ ') where model_id = '
        ~ samespace.string_literal(spec.model_id) %}
    {% call statement('samespace_index') %}{{ samespace._without_workers(create, memory) }}{% endcall %}
    {% set seconds = (modules.datetime.datetime.now() - began).total_seconds() %}
    {% do samespace._say('embedding', 'index of ' ~ relation.identifier ~ ' for ' ~ spec.model_id ~ ': ' ~ '{:,}'.format(rows) ~ ' rows in '
        ~ '{:.1f}'.format(seconds) ~ ' s (hnsw, m ' ~ index.m ~ ', ef_construction ' ~ index.ef_construction
        ~ (', as halfvec: pgvector indexes a vector of more than 2,000 dimensions in half precision only; the answers are ranked in full'
           if vector.half else '') ~ ')') %}
{% endmacro %}


{#-
    The setting of memory for a build: as much as the graph needs, beyond which it takes several times as long. At most what
    the server keeps for its own cache (as a rule a quarter of its memory), 512 MB, or what the role is allowed anyway,
    whichever is most. https://github.com/pgvector/pgvector#index-build-time
-#}
{% macro _build_memory(relation, spec, index, vector, rows) %}
    {% set row = run_query("select pg_size_bytes(current_setting('maintenance_work_mem')), "
        ~ "pg_size_bytes(current_setting('shared_buffers'))").rows[0] %}
    {% set needed = samespace._graph_bytes(spec.dimension, index.m, vector.operators, rows) %}
    {% set most = [row[0] | int, row[1] | int, 512 * 1024 * 1024] | max %}
    {% set given = [row[0] | int, [needed, most] | min] | max %}
    {% if needed > most %}
        {% do samespace._say('embedding', 'the index of ' ~ relation.identifier ~ ' for ' ~ spec.model_id ~ ' needs about '
            ~ '{:,}'.format(needed // 1048576) ~ ' MB to build fast and gets ' ~ '{:,}'.format(given // 1048576)
            ~ ': it takes longer. Raise maintenance_work_mem of the role that builds.') %}
    {% endif %}
    {{ return(given // 1024 ~ 'kB') }}
{% endmacro %}


{#- Measured with pgvector 0.8.5 (its notice says after how many rows a given memory is full): each row takes its vector,
    2 m links of 16 bytes on the lowest layer, and 200 bytes. A tenth more, for what shared memory adds. -#}
{% macro _graph_bytes(dimension, m, operators, rows) %}
    {% set vector = (2 if operators.startswith('halfvec') else 4) * dimension + 8 %}
    {{ return(((vector + 32 * m + 200) * rows * 1.1) | int + 8 * 1024 * 1024) }}
{% endmacro %}


{#-
    The build with its memory, in one statement: outside a transaction a setting would be gone before the next one. Workers share
    that memory, and a container gives 64 MB of shared memory unless told otherwise: then the build starts again without them.
    https://github.com/pgvector/pgvector#index-build-time
-#}
{% macro _without_workers(create, memory) %}
{% set sql %}
do $samespace$
declare
    before constant text := current_setting('maintenance_work_mem');
begin
    perform set_config('maintenance_work_mem', {{ samespace.string_literal(memory) }}, true);
    begin
        execute {{ samespace.string_literal(create) }};
    exception when disk_full or out_of_memory then
        perform set_config('max_parallel_maintenance_workers', '0', true);
        execute {{ samespace.string_literal(create) }};
    end;
    perform set_config('maintenance_work_mem', before, true);
end
$samespace$
{% endset %}
{{ return(sql) }}
{% endmacro %}
