{#- SQL: one row per word of a text column, with `columns` of the row and `word` (lower case letters and digits). -#}
{% macro unnest_words(rows, text, columns) %}
    {{ return(adapter.dispatch('unnest_words', 'samespace')(rows, text, columns)) }}
{% endmacro %}

{% macro default__unnest_words(rows, text, columns) %}
    {{ samespace._raise('cluster_labels', "the adapter '" ~ target.type ~ "' cannot split texts into words here; use duckdb") }}
{% endmacro %}

{#- \p{M} keeps the combining marks of other scripts inside their words. Numbers alone are no words.
    https://duckdb.org/docs/stable/sql/functions/regular_expressions -#}
{% macro duckdb__unnest_words(rows, text, columns) %}
    {{ return('select ' ~ (columns | join(', ')) ~ ", unnest(regexp_extract_all(lower(" ~ text
        ~ "), '[\\p{L}\\p{N}]*\\p{L}[\\p{L}\\p{M}\\p{N}]*')) as word\n    from " ~ rows) }}
{% endmacro %}

{#-
    POSIX classes follow the locale of the database and know no marks, so the code points are listed: a word is a run of
    letters, digits and marks that neither starts with a mark nor holds digits and marks alone. lower() still follows the
    locale: where it is C, only A to Z become lower case. https://www.postgresql.org/docs/current/functions-matching.html
-#}
{% macro postgres__unnest_words(rows, text, columns) %}
    {% set points = samespace._word_points() %}
    {% set word = '(?![' ~ samespace._escaped_points(points.marks) ~ '])[' ~ samespace._escaped_points(points.all) ~ ']+' %}
    {% set number = '^[' ~ samespace._escaped_points(points.digits ~ ' ' ~ points.marks) ~ ']+$' %}
    {{ return('select ' ~ (columns | join(', ')) ~ ', found[1] as word\n    from ' ~ rows ~ '\n    cross join lateral regexp_matches(lower('
        ~ text ~ '), ' ~ samespace.string_literal(word) ~ ", 'g') as found\n    where found[1] !~ " ~ samespace.string_literal(number)) }}
{% endmacro %}


{#- '0041-005A 00AA' as what stands in the brackets of a regular expression. -#}
{% macro _escaped_points(ranges) %}
    {% set found = [] %}
    {% for range in ranges.split() %}
        {% set ends = [] %}
        {% for end in range.split('-') %}{% do ends.append('\\u' ~ end if end | length == 4 else '\\U' ~ '%08X' % (end | int(0, 16))) %}{% endfor %}
        {% do found.append(ends | join('-')) %}
    {% endfor %}
    {{ return(found | join('')) }}
{% endmacro %}


{#-
    Unicode 14 in hexadecimal ranges; unassigned points between two of a kind are taken in, and the scripts beyond FFFF are
    taken whole. all: letters, numbers and marks; digits: numbers; marks: those that follow something other than a word.
-#}
{% macro _word_points() %}
    {{ return({
    'all':
        '0030-0039 0041-005A 0061-007A 00AA 00B2-00B3 00B5 00B9-00BA 00BC-00BE 00C0-00D6 00D8-00F6 00F8-02C1 02C6-02D1 '
        '02E0-02E4 02EC 02EE 0300-0374 0376-037D 037F 0386 0388-03F5 03F7-0481 0483-0559 0560-0588 0591-05BD 05BF '
        '05C1-05C2 05C4-05C5 05C7-05F2 0610-061A 0620-0669 066E-06D3 06D5-06DC 06DF-06E8 06EA-06FC 06FF 0710-07F5 '
        '07FA-07FD 0800-082D 0840-085B 0860-0887 0889-088E 0898-08E1 08E3-0963 0966-096F 0971-09F1 09F4-09F9 09FC '
        '09FE-0A75 0A81-0AEF 0AF9-0B6F 0B71-0BF2 0C00-0C6F 0C78-0C7E 0C80-0C83 0C85-0D4E 0D54-0D78 0D7A-0DF3 0E01-0E3A '
        '0E40-0E4E 0E50-0E59 0E81-0F00 0F18-0F19 0F20-0F33 0F35 0F37 0F39 0F3E-0F84 0F86-0FBC 0FC6 1000-1049 1050-109D '
        '10A0-10FA 10FC-135F 1369-138F 13A0-13FD 1401-166C 166F-167F 1681-169A 16A0-16EA 16EE-1734 1740-17D3 17D7 '
        '17DC-17F9 180B-180D 180F-193B 1946-19DA 1A00-1A1B 1A20-1A99 1AA7 1AB0-1B59 1B6B-1B73 1B80-1BF3 1C00-1C37 '
        '1C40-1C7D 1C80-1CBF 1CD0-1CD2 1CD4-1FBC 1FBE 1FC2-1FCC 1FD0-1FDB 1FE0-1FEC 1FF2-1FFC 2070-2079 207F-2089 '
        '2090-209C 20D0-20F0 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128 212A-212D 212F-2139 213C-213F 2145-2149 '
        '214E 2150-2189 2460-249B 24EA-24FF 2776-2793 2C00-2CE4 2CEB-2CF3 2CFD 2D00-2D6F 2D7F-2DFF 2E2F 3005-3007 '
        '3021-302F 3031-3035 3038-303C 3041-309A 309D-309F 30A1-30FA 30FC-318E 3192-3195 31A0-31BF 31F0-31FF 3220-3229 '
        '3248-324F 3251-325F 3280-3289 32B1-32BF 3400-4DBF 4E00-A48C A4D0-A4FD A500-A60C A610-A672 A674-A67D A67F-A6F1 '
        'A717-A71F A722-A788 A78B-A827 A82C-A835 A840-A873 A880-A8C5 A8D0-A8F7 A8FB A8FD-A92D A930-A953 A960-A9C0 '
        'A9CF-A9D9 A9E0-AA59 AA60-AA76 AA7A-AADD AAE0-AAEF AAF2-AB5A AB5C-AB69 AB70-ABEA ABEC-D7FB F900-FB28 FB2A-FBB1 '
        'FBD3-FD3D FD50-FDC7 FDF0-FDFB FE00-FE0F FE20-FE2F FE70-FEFC FF10-FF19 FF21-FF3A FF41-FF5A FF66-FFDC 10000-1CFFF '
        '1D400-1D7FF 1DF00-1EEFF 20000-3FFFF E0100-E01EF',
    'digits':
        '0030-0039 00B2-00B3 00B9 00BC-00BE 0660-0669 06F0-06F9 07C0-07C9 0966-096F 09E6-09EF 09F4-09F9 0A66-0A6F '
        '0AE6-0AEF 0B66-0B6F 0B72-0B77 0BE6-0BF2 0C66-0C6F 0C78-0C7E 0CE6-0CEF 0D58-0D5E 0D66-0D78 0DE6-0DEF 0E50-0E59 '
        '0ED0-0ED9 0F20-0F33 1040-1049 1090-1099 1369-137C 16EE-16F0 17E0-17F9 1810-1819 1946-194F 19D0-19DA 1A80-1A99 '
        '1B50-1B59 1BB0-1BB9 1C40-1C49 1C50-1C59 2070 2074-2079 2080-2089 2150-2182 2185-2189 2460-249B 24EA-24FF '
        '2776-2793 2CFD 3007 3021-3029 3038-303A 3192-3195 3220-3229 3248-324F 3251-325F 3280-3289 32B1-32BF A620-A629 '
        'A6E6-A6EF A830-A835 A8D0-A8D9 A900-A909 A9D0-A9D9 A9F0-A9F9 AA50-AA59 ABF0-ABF9 FF10-FF19 1D7CE-1D7FF '
        '1F100-1F10C',
    'marks':
        '0300-036F 0483-0489 0591-05BD 064B-065F 1AB0-1AFF 1DC0-1DFF 20D0-20FF 3099-309A FE00-FE0F FE20-FE2F E0100-E01EF',
    }) }}
{% endmacro %}
