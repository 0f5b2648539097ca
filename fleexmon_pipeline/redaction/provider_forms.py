"""Forms of tokens that services issue: they are recognized anywhere, without a name next to them.

Here: public prefixes and shapes, and the two shapes that most vendors share: a prefix that says "token", and a prefix
before a tail that no person wrote. What follows a name such as `password`: `secret_forms.py`.
"""

from __future__ import annotations

# A letter or digit before would make it the inside of a longer word.
BEGIN = r"(?<![A-Za-z0-9])"
_END = r"(?![A-Za-z0-9])"

# With hashes of passwords, as crypt(3) marks them.
KEYS = (
    rf"{BEGIN}(?:(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{{16}}{_END}"
    r"|ABSK[A-Za-z0-9+/]{40,}={0,2}|bedrock-api-key-[A-Za-z0-9+/=]{8,}|LTAI[A-Za-z0-9]{12,30}"
    r"|AIza[\w-]{30,}|ya29\.[\w.-]{20,}|GOCSPX-[\w-]{20,}|do[opr]_v1_[a-f0-9]{40,}"
    r"|(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{16,}|sk-[\w-]{16,}"
    r"|SG\.[\w=.-]{32,}|(?:SK|AC)[0-9a-fA-F]{32}(?![A-Za-z0-9])|key-[0-9a-z]{32}(?![A-Za-z0-9])|pat-[a-z]{2}\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|dapi[0-9a-f]{32}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{30,}|NR(?:AK|II|JS|RA)-[\w-]{16,}|PMAK-[A-Fa-f0-9-]{40,}|[0-9a-f]{32}-us\d{1,2}(?!\w)"
    r"|(?:sq0[a-z]{3}-|EAAA)[\w-]{20,}|EAA[A-Z][A-Za-z0-9]{60,}|re_[A-Za-z0-9]{6,12}_[A-Za-z0-9]{20,}"
    r"|v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}|[\w~.-]{3}\dQ~[\w~.-]{30,}|tskey-[a-z]{2,10}-[\w-]{16,}"
    r"|A3-[A-Z0-9]{6}-[A-Z0-9]{6,11}(?:-[A-Z0-9]{5,6}){3,4}|AKCp[A-Za-z0-9]{40,}|cmVmd[A-Za-z0-9]{40,}"
    r"|EZ[AT]K[A-Za-z0-9]{40,}|FLW(?:SECK|PUBK)(?:_TEST)?-[A-Za-z0-9]{12,}(?:-X)?|API-[A-Z0-9]{24,}|HRKU-[\w-]{20,}"
    r"|\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|argon2(?:id|i|d)|scrypt|pbkdf2-\w{1,12})\$[\w./$=,+-]{16,}"
    r"|\$[PH]\$[\w./]{31}|\{(?:S?SHA(?:256|512)?|S?MD5|CRYPT|PBKDF2)\}[\w./+=$-]{16,}"
    r"|4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])|[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk|oy2[a-z0-9]{40,})"
)
TOKENS = (
    rf"{BEGIN}(?:gh[pousr]_[A-Za-z0-9]{{16,}}|github_pat_\w{{16,}}|gl[a-z]{{2,6}}-[\w.-]{{16,}}|GR1348941[\w-]{{16,}}"
    r"|xox[a-z](?:\.xox[a-z])?-[\w-]{8,}|xapp-[\w-]{8,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{16,}|rubygems_[a-f0-9]{40,}"
    r"|(?:hf|api_org)_[A-Za-z0-9]{30,40}(?!\w)|sm_[aps]at_[A-Za-z0-9]{16}|duffel_(?:test|live)_[\w=-]{40,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{24,}|hv[sbr]\.[\w-]{20,}|lin_(?:api|oauth)_\w{20,}"
    r"|dckr_(?:pat|oat)_[\w-]{20,}|ATBB[A-Za-z0-9]{24,}|AT[A-Z]{2,3}3[\w=-]{60,}|sntry[su]_[\w+/=-]{20,}|pul-[a-f0-9]{40}"
    r"|sbp_[a-f0-9]{40}|tfp_[\w-]{30,}|access-(?:production|development|sandbox)-[a-f0-9-]{36}|(?:bot)?\d{8,10}:AA[\w-]{30,}"
    r"|[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])|ops_eyJ[\w+/=-]{20,}|p8e-[A-Za-z0-9]{30,}|pat[A-Za-z0-9]{14}\.[a-f0-9]{40,}"
    r"|(?:sc|ext|scauth|authress)_[A-Za-z0-9]{5,30}\.[A-Za-z0-9]{4,6}\.acc[_-][A-Za-z0-9-]{10,32}\.[\w+/=-]{30,}"
    r"|dp\.[a-z]{2,8}\.[\w.]{30,}|dt0[a-z]\d\d\.[A-Za-z0-9]{20,}\.[A-Za-z0-9]{40,}|\d{15,16}(?:\||%(?:7C)?)[\w-]{24,}"
    r"|fo1_[\w-]{40,}|fm[12][ar]?_[A-Za-z0-9+/]{60,}={0,3}|fio-u-[\w=-]{40,}|gl(?:c|sa)_[\w+/=]{30,}"
    r"|(?:pat|sat)\.[\w-]{20,}\.[A-Za-z0-9]{20,}\.[A-Za-z0-9]{16,}|[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{50,}"
    r"|s-s4t2(?:ud|af)-[a-f0-9]{40,}|ntn_[A-Za-z0-9]{30,}|sha256~[\w-]{40,}|pplx-[A-Za-z0-9]{40,}"
    r"|pscale_(?:tkn|oauth|pw)_[\w=.-]{32,}|pnu_[A-Za-z0-9]{30,}|rdme_[a-z0-9]{60,}|tk-us-[\w-]{40,}"
    r"|xkeysib-[a-f0-9]{40,}(?:-[A-Za-z0-9]{12,})?|sgp_(?:[A-Za-z0-9]{5,16}_)?[a-fA-F0-9]{40}|_gitlab_session=[0-9a-z]{20,}"
    r"|CLOJARS_[A-Za-z0-9]{40,}|bkua_[a-f0-9]{40}|lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}|ico-[A-Za-z0-9]{32})"
)
# A prefix that says what it is: `shippo_live_`, `acme_pat_`, `FLWSECK_TEST-`. The tail has a digit, and 16 characters.
TELLING_PREFIX = (
    rf"{BEGIN}(?i:[a-z][a-z0-9]{{1,15}}[_-])?(?i:[a-z0-9]{{0,8}}(?:live|secret|token|tkn|pat|apikey|oauth|seck)|prod|test|sk|api[_-]key)"
    r"[_-](?=[A-Za-z_-]{0,64}\d)[A-Za-z0-9]{16,200}(?:[._-][A-Za-z0-9]{8,100}){0,3}(?![\w-])"
)
# Any prefix, and a tail of capitals, small letters and digits in turn.
PREFIXED = rf"{BEGIN}[A-Za-z][A-Za-z0-9]{{1,11}}(?:[_-][A-Za-z0-9]{{1,8}}){{0,2}}[_-][A-Za-z0-9]{{20,200}}(?![\w-])"
ONE_CASE = r"(?<![\w/+.-])(?:[a-z0-9]{36,200}|[A-Z0-9]{36,200})(?![\w/+.-])"
