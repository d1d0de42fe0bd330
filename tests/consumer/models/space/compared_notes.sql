{{ config(materialized='table') }}

select
    note.note_id,
    other.note_id as other_note_id,
    {{ samespace.similarity('note', 'other') }} as similarity
from {{ ref('note_embeddings') }} as note
inner join {{ ref('note_embeddings') }} as other on other.subject = note.subject and other.note_id > note.note_id
