with ids as (
    select distinct model_id from {{ ref('note_embeddings_by_model') }}
    union
    select distinct model_id from {{ ref('question_embeddings_twin') }}
)

select
    left_ids.model_id as left_model_id,
    right_ids.model_id as right_model_id,
    {{ samespace.space_of('left_ids.model_id') }} as space,
    left_ids.model_id = '{{ samespace.model_id('letters') }}' as is_letters
from ids as left_ids
inner join ids as right_ids on {{ samespace.same_space('left_ids.model_id', 'right_ids.model_id') }}
