{% set ids = [samespace.model_id('letters')] %}
{{ samespace.assert_one_space('checked_spaces', 'notes', ids, 'questions', ids) }}

select count(*) as notes
from {{ ref('note_embeddings') }}
