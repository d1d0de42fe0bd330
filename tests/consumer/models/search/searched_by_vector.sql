{{ config(materialized='table') }}

{% set vector = '(select embedding from ' ~ ref('question_embeddings') ~ " where question_id = 'q2')" %}
{{ samespace.search(ref('note_embeddings'), query_vector=vector, query_model='letters', k=3, where="subject <> 'Door'") }}
