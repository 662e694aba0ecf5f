"""Registered domains: the part of a host name that somebody registered, by the rules of public suffixes.

A public suffix is a name under which the public registers (com, co.uk). The official list (publicsuffix.org) has
some ten thousand rules; this module knows the top-level names and, for countries that register on the third
level, their second-level names: enough for sites of a sample, for hosts in statistics and for refusing a block
list's "co.uk". `SuffixRules.read` takes the official list's file where exactness counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

# Second-level names that most countries with third-level registration share.
_SHARED = "ac,co,com,edu,gov,mil,net,org"
# Country: the names under it that are public suffixes. `+` stands for all of _SHARED.
_SECOND_LEVEL = """
ac:com,edu,gov,mil,net,org ae:ac,co,gov,mil,net,org,sch ag:co,com,net,nom,org ai:com,net,off,org
al:com,edu,gov,mil,net,org ar:com,edu,gob,gov,int,mil,musica,mutual,net,org,tur at:ac,co,gv,or
au:asn,com,edu,gov,id,net,org az:+,biz,info,int,name,pp,pro ba:com,edu,gov,mil,net,org bd:+,info
bh:com,edu,gov,net,org bn:com,edu,gov,net,org bo:com,edu,gob,int,mil,net,org,tv,web
br:adm,adv,agr,am,art,bio,blog,com,coop,edu,emp,eng,esp,eti,far,flog
br:fm,g12,gov,ind,inf,jor,jus,leg,med,mil,mus,net,nom,org,pro,psi,rec br:srv,tur,tv,vlog,wiki bw:co,org
by:com,gov,mil bz:com,edu,gov,net,org ci:ac,asso,co,com,ed,edu,go,gouv,int,net,or,org
cn:ac,com,edu,gov,mil,net,org ck:co,edu,gov,org,net co:com,edu,gov,mil,net,nom,org cr:ac,co,ed,fi,go,or,sa
cu:com,edu,gov,inf,net,org cy:ac,biz,com,gov,ltd,net,org,press,pro
do:art,com,edu,gob,gov,mil,net,org,sld,web dz:art,asso,com,edu,gov,net,org
ec:com,edu,fin,gob,gov,info,k12,med,mil,net,org,pro eg:com,edu,eun,gov,mil,name,net,org,sci er:+
es:com,edu,gob,nom,org et:biz,com,edu,gov,info,name,net,org fj:+,biz,info,name,pro fk:ac,co,gov,net,nom,org
fr:asso,com,gouv,nom,prd,tm ge:com,edu,gov,mil,net,org,pvt gh:com,edu,gov,mil,org gr:com,edu,gov,net,org
gt:com,edu,gob,ind,mil,net,org gu:com,edu,gov,net,org hk:com,edu,gov,idv,net,org hn:com,edu,gob,mil,net,org
hr:com,from,iz,name hu:2000,agrar,bolt,co,film,hotel,info,news,org,sex,shop,sport,suli hu:szex,tm,video
id:ac,biz,co,desa,go,mil,my,net,or,sch,web il:ac,co,gov,idf,k12,muni,net,org im:ac,co,com,net,org,tt,tv
in:ac,co,edu,firm,gen,gov,ind,mil,net,nic,org,res ir:ac,co,gov,id,net,org,sch is:com,edu,gov,int,net,org
it:edu,gov jm:+ jo:com,edu,gov,mil,name,net,org,sch jp:ac,ad,co,ed,go,gr,lg,ne,or
ke:ac,co,go,info,me,mobi,ne,or,sc kg:com,edu,gov,mil,net,org kh:com,edu,gov,mil,net,org,per
kr:ac,co,es,go,hs,kg,mil,ms,ne,or,pe,re,sc kw:com,edu,emb,gov,ind,net,org kz:com,edu,gov,mil,net,org
lb:com,edu,gov,net,org lk:ac,assn,com,edu,gov,grp,hotel,int,ltd,net,ngo,org,sch,soc,web
lv:asn,com,conf,edu,gov,id,mil,net,org ly:com,edu,gov,id,med,net,org,plc,sch ma:ac,co,gov,net,org,press
me:ac,co,edu,gov,its,net,org,priv mk:com,edu,gov,inf,name,net,org mm:+ mo:com,edu,gov,net,org
mt:com,edu,net,org mu:ac,co,com,gov,net,or,org mx:com,edu,gob,net,org my:biz,com,edu,gov,mil,name,net,org
mz:ac,adv,co,edu,gov,mil,net,org na:co,com,org ng:com,edu,gov,i,mil,mobi,name,net,org,sch
ni:ac,co,com,edu,gob,in,info,int,mil,net,nom,org,web np:+
nz:ac,co,cri,geek,gen,govt,health,iwi,kiwi,maori,mil,net,org nz:parliament,school
om:co,com,edu,gov,med,museum,net,org,pro pa:abo,ac,com,edu,gob,ing,med,net,nom,org,sld
pe:com,edu,gob,mil,net,nom,org pg:+ ph:com,edu,gov,i,mil,net,ngo,org
pk:biz,com,edu,fam,gob,gok,gon,gop,gos,gov,info,net,org,web
pl:aid,agro,art,atm,auto,biz,com,edu,gmina,gov,gsm,info,mail,media
pl:miasta,mil,net,nieruchomosci,nom,org,pc,powiat,priv,realestate,rel
pl:sex,shop,sklep,sos,szkola,targi,tm,tourism,travel,turystyka,waw pl:krakow,lodz,poznan,wroclaw
pr:biz,com,edu,gov,info,isla,name,net,org,pro ps:com,edu,gov,net,org,plo,sec
pt:com,edu,gov,int,net,nome,org,publ py:com,coop,edu,gov,mil,net,org qa:com,edu,gov,mil,name,net,org,sch
ro:arts,com,firm,info,nom,nt,org,rec,store,tm,www rs:ac,co,edu,gov,in,org
ru:ac,com,edu,gov,int,mil,msk,net,org,pp,spb rw:ac,co,coop,gov,mil,net,org
sa:com,edu,gov,med,net,org,pub,sch sb:com,edu,gov,net,org sd:com,edu,gov,info,med,net,org,tv
se:ac,org,parti,pp,press,tm sg:com,edu,gov,net,org,per sn:art,com,edu,gouv,org,perso,univ
sv:com,edu,gob,org,red sy:com,edu,gov,mil,net,org sz:ac,co,org th:ac,co,go,in,mi,net,or
tj:ac,biz,co,com,edu,go,gov,int,mil,name,net,nic,org,test,web
tn:com,ens,fin,gov,ind,info,intl,mincom,nat,net,org,perso,tourism
tr:av,bbs,bel,biz,com,dr,edu,gen,gov,info,k12,kep,mil,name,net,org,pol tr:tel,tsk,tv,web
tt:biz,co,com,edu,gov,info,int,name,net,org,pro tw:club,com,ebiz,edu,game,gov,idv,mil,net,org
tz:ac,co,go,hotel,info,me,mil,mobi,ne,or,sc,tv
ua:biz,co,com,edu,gov,in,net,org,pp,kiev,kyiv,kharkov,kh,lviv,odessa ua:dp,dn,zp
ug:ac,co,com,go,ne,or,org,sc uk:ac,co,gov,judiciary,ltd,me,mod,net,nhs,org,parliament,plc,police uk:sch
us:dni,fed,isa,nsn uy:com,edu,gub,mil,net,org uz:co,com,net,org vc:com,edu,gov,mil,net,org
ve:arts,co,com,edu,firm,gob,gov,info,int,mil,net,nom,org,rec,store,tec ve:web vi:co,com,k12,net,org
vn:ac,biz,com,edu,gov,health,info,int,name,net,org,pro ws:com,edu,gov,net,org ye:com,edu,gov,mil,net,org
za:ac,agric,alt,co,edu,gov,grondar,law,mil,net,ngo,nic,nis,nom,org za:school,tm,web
zm:ac,biz,co,com,edu,gov,info,mil,net,org,sch zw:ac,co,gov,mil,org
"""
_COUNTRIES = """
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca
cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo
fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je
jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo
mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt
pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk
tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw
"""
_GENERIC = """
aero agency app art asia bank bar best bio biz blog business buzz cafe camp capital care cat center chat
church city click cloud club co codes coffee com community company consulting coop cool cyou design dev
digital direct doctor earth edu education email energy engineering events expert express family farm fashion
fitness foundation fun fund fyi gallery games garden gov green group guide guru health help holdings host
house icu inc info institute int international jobs land law legal life link live llc ltd management market
marketing media mil mobi museum name net network news ngo ong online org page partners party photo
photography photos pics place plus post press pro productions properties pub quebec re realty recipes red
report rest restaurant review reviews rocks run sale school science services sex shop show site ski social
software solutions space store stream studio style support systems team tech technology tel tips today tools
top tours town training travel tv university vet video vip vision wang wiki win work works world wtf xxx xyz
zone berlin brussels bzh cat eus gal hamburg koeln cologne london moscow nyc paris scot swiss tokyo tirol
vegas wales wien
"""
TOP_LEVEL: frozenset[str] = frozenset((_COUNTRIES + _GENERIC).split())


class SuffixFileError(ValueError):
    """A file that should be a public suffix list is not one."""


@dataclass(frozen=True)
class SuffixRules:
    """Public suffixes: plain rules, wildcards (`*.ck` as "ck") and their exceptions (`!www.ck` as "www.ck").

    Names are in lower-case ASCII (punycode). By the list's algorithm a name without rule is a suffix by its
    last label.
    """

    plain: frozenset[str]
    wildcards: frozenset[str] = frozenset()
    exceptions: frozenset[str] = frozenset()

    @classmethod
    def read(cls, path: str | Path) -> "SuffixRules":
        """The rules of a public_suffix_list.dat, both its sections; SuffixFileError where it has none."""
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        return cls.of(
            (line.split()[0] for line in lines if line.strip() and not line.startswith("//")), str(path)
        )

    @classmethod
    def of(cls, rules: Iterable[str], where: str = "rules") -> "SuffixRules":
        """Rules in the list's notation, one a string; SuffixFileError names what is no host name."""
        kinds: tuple[set[str], set[str], set[str]] = (set(), set(), set())
        for rule in rules:
            kind = 2 if rule.startswith("!") else int(rule.startswith("*."))
            name = ascii_host(rule.removeprefix("!").removeprefix("*."))
            if name is None or "*" in name:
                raise SuffixFileError(
                    f"{where}: '{rule}' is no rule; expected a name, *.name or !name a line"
                )
            kinds[kind].add(name)
        if not any(kinds):
            raise SuffixFileError(f"{where}: no rules; expected a public suffix list, one rule a line")
        return cls(*map(frozenset, kinds))

    def suffix(self, host: str) -> str:
        """The public suffix of a normalised host name; the host itself where it is one."""
        labels = host.split(".")
        best = 1
        for size in range(1, len(labels) + 1):
            name = ".".join(labels[-size:])
            if name in self.exceptions:
                best = size - 1
                break
            if name in self.plain:
                best = size
            if size > 1 and ".".join(labels[-size + 1 :]) in self.wildcards:
                best = size
        return ".".join(labels[-best:])


@lru_cache(maxsize=1)
def built_in_rules() -> SuffixRules:
    """The rules that this module knows by itself."""
    plain = set(TOP_LEVEL)
    for entry in _SECOND_LEVEL.split():
        country, _, names = entry.partition(":")
        plain.update(f"{name}.{country}" for name in names.replace("+", _SHARED).split(","))
    return SuffixRules(frozenset(plain))


def registered_domain(host: str, rules: SuffixRules | None = None) -> str | None:
    """The public suffix of `host` and one label more (bbc.co.uk of www.bbc.co.uk), in lower-case ASCII.

    Numeric addresses are their own domain, in brackets or not; None for a public suffix itself (co.uk) and for what
    is no host name.
    """
    name = ascii_host(host)
    if name is None:
        return None
    if is_address(name) or "." not in name:
        return name if is_address(name) or name not in TOP_LEVEL else None
    suffix = (rules or built_in_rules()).suffix(name)
    if name == suffix:
        return None
    return ".".join(name.split(".")[-suffix.count(".") - 2 :])


def is_public_suffix(host: str, rules: SuffixRules | None = None) -> bool:
    """Whether the public registers names directly under this one; for single labels too (com)."""
    name = ascii_host(host)
    return name is not None and not is_address(name) and (rules or built_in_rules()).suffix(name) == name


def site_of(url: str, rules: SuffixRules | None = None) -> str | None:
    """The registered domain of an http(s) address, its host where it has none; None for anything else."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    return registered_domain(host, rules) or ascii_host(host)


def ascii_host(host: str) -> str | None:
    """A host name in lower-case ASCII without final point, other letters as punycode; None where it is none."""
    name = host.strip().lower().rstrip(".").strip("[]")
    for point in "。．｡":
        name = name.replace(point, ".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return None
    if ":" in name:
        return name
    labels = name.split(".")
    fit = all(0 < len(label) <= 63 and set(label) <= _HOST_CHARACTERS for label in labels)
    return name if fit and len(name) <= 253 else None


_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_*")


def is_address(name: str) -> bool:
    """A normalised host that is a numeric address: four decimal bytes, or IPv6 with its colons."""
    parts = name.split(".")
    return ":" in name or (len(parts) == 4 and all(part.isdigit() for part in parts))
