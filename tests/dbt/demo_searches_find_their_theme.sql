-- The best hit of each saved search is about what was asked.
{{ config(enabled=(project_name == 'samespace')) }}

with best as (

    select 'login' as expected, theme, body from {{ ref('search_cannot_log_in') }} where rank = 1
    union all
    select 'shipping', theme, body from {{ ref('search_lost_parcel') }} where rank = 1
    union all
    select 'refunds', theme, body from {{ ref('search_money_back') }} where rank = 1

),

final as (

    select * from best where expected <> theme

)

select * from final
