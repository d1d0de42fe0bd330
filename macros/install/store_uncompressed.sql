{#-
    Write the vectors of embedding relations again, uncompressed: a search then reads them in a fraction of the time, for some
    tenth more space. DuckDB chooses a compression when it writes rows to its file; what a later run writes is compressed
    again (docs/speed.md). `relation` is a name as a text; without it, all relations of this database that samespace knows.
-#}
{% macro store_uncompressed(relation=none) %}
    {% if execute %}
        {{ return(samespace.uncompressed_vectors(relation)) }}
    {% endif %}
{% endmacro %}
