{{ config(materialized='table', enabled=target.type == 'duckdb') }}

with vectors as (
    select
        note_id,
        {{ samespace.embed('letters', 'subject') }} as subject_vector,
        {{ samespace.embed('letters', 'body') }} as body_vector
    from {{ ref('notes') }}
)

select
    note_id,
    {{ samespace.similarity('subject_vector', 'body_vector') }} as similarity
from vectors
