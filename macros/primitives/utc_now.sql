{#- SQL: the database's clock in UTC, as a timestamp without zone. -#}
{% macro utc_now() %}
    {{ return("cast(now() at time zone 'UTC' as timestamp)") }}
{% endmacro %}
