"""Words that a full stop shortens, and words that begin sentences, in the languages of documents.

The list of a language need not be complete: sentences.py also knows by shape what ends none
(initials, "z. B.", a short word before a number).
"""

# ruff: noqa: RUF001 - letters and marks of other scripts are meant

# Nothing but a name or an explanation follows these, whatever it looks like: "Dr. He", "e.g. The".
NEVER_LAST = frozenset(
    """
    dr drs prof mr mrs ms mx messrs mme mlle mgr hr fr frl hrn sr sra srta srs dra dña exmo exma
    sig sigra dott ing dhr mevr mw rev hon gov capt cpt lt sgt maj cmdr pres pvt dipl
    e.g eg i.e ie cf viz z.b d.h u.z s.o s.u p.ej p.ex c.-à-d b.v d.w.z m.a.w tzn np m.in
    т.е напр проф гр г-н г-жа св им ул д.м
    """.split()  # noqa: SIM905 - a list of words is read as one
)

# These go on before a name, a noun of German or a number; before a word of STARTERS they may have
# ended a sentence: "Acme Inc. The".
ABBREVIATIONS = frozenset(
    """
    approx apt appt appx assoc asst attn ave avg bldg blvd bros ca cal cert cf chap cit co comp
     cont corp ct cu dec del dept dist div ed eds encl eq eqn eqs esp est etc excl exp ext fax
    feb ff fig figs fn ft fwd gal hrs hwy illus inc incl ind inst intl jan jr lb lbs lic ltd max
    mfg mfr min misc mph mt mtn mts nos nov obs oct op orig oz para pct pkg pl 
    poss pp pref prob pt qty rd ref refs reg rel rep req resp rm sched sec sect sep sept ser
    sgd sp sq st sta std ste stmt subj suppl tbsp tel temp tsp univ vers vol vols vs wk
    wt yd yr yrs jul jun aug apr mar tue tues wed thu thur thurs fri ch cl 
    abb abf abs abschn abt ad allg anm ank anl ausg ausschl az bd begr beisp ber bes betr bev bez
    bhf bmstr bspw bzgl bzw chr ders dez dgl dt ebd ehem eig eigtl einschl engl entspr erg
    etw evtl exkl fa ff forts franz geb gebr gegr geg ges gest gez ggf ggü gr hbf hl hrsg inh
    inkl insb insbes ital jahrh jan jg jh jhd kap kfm kl kpl kt lfd lt mehrw mind mio mrd mwst mz
    nachf nachm nr num nrn okt orig österr pfd priv prot rd rel s sog spez str std stellv stk
    stv tgl tsd u usf usw urspr var verf vgl verh vorm vors wg wiss zb zgl zt zus zzgl zzt
    adr agr alin anc arr av avr bd boul bur chap ch circ coll dép édit éd env ét
    etc ex exempl fasc févr imm janv juil juill max mens min nb nov num obs oct parag pl
    préc pt réf rens rép resp rte sept suiv sup tél temp tjrs vol 
    admón adj afmo aprox apdo artº avda bco cía cód col cta cte dcha dep depto dto ed ej
    entlo ene esc etc excl ext fac febr feb gral íd imp impr inc izq izda jul kg lic máx mín
    núm nº ntra obs oct pág págs párr pd pdo pl ppal prov pral prof prov pta ptas reg rte sgte sig
    sept tel tfno trad urb vda vol
       bibl ca capp cfr cit cod col cons corr ecc ed es fasc fatt feb fig febb genn
    gen giu giugn ind int lett mar mitt nov num ott pag pagg pres preg prec
    racc rif sc sez segg sett spett st succ tav tel trad ult vol
    adm alm apart apt bl cód comp compl cx dez depto ed eng env ex exa fev flh fls mar máx
    mín nov núm obs pág págs pav pç qd ref res séc sec tel trav un vol
    al bp cd cz dn dr dyr godz gr il im inż itd itp jw kol ks kw lek lic lp m.st mies mgr min mjr
    mkw nal nast nb nr pkt pl płk poj por poz pol proc prof przyp pt r rozdz rys ryc sp
    str st św tel tys tzw ub ul ust wew woj wg wł zł zob
    a.u.b aant afb afd afl alg artt bijl bijv blz btw bv ca cq dd dec dhr div d.d e.a e.d e.v enz
    evt excl geb hfst incl ing inz jl jr kk m.b.t m.i.v m.n m.u.v mil mld max min mnd nl nr
    o.a o.b.v o.m okt ong p.m pag plm plv pnt prov resp secr st t.a.v t.o.v t.w.v tel temp tek
    vgl vlg vnl vs wnd zgn
    г гг вв в рис табл стр см ст п пп ч т тт тыс млн млрд руб коп кв пос пер пр просп бул наб пл
    обл респ район тел факс доп изд ред авт сост мин сек час янв февр апр авг сент окт нояб дек род
    акад доц инж др пр проч итд итп гл разд прим ок св ср куб макс миним д корп стр эт
    bl cca čl č např obr odst popř příp resp str sv tj tzv tzn viz ul nám tř kpt mil mld apod atd
    ang bl d.v.s dvs ex exkl fr.o.m forts gm inkl kap kl kr kub m.fl m.m max milj min mån nr osv
    resp s.k sek sid st t.ex tel t.o.m tr tis ung vol årg osv bl.a pga ift mht jf jfr eks
    """.split()  # noqa: SIM905 - a list of words read as one
)
# Words by themselves ("No."), but before a number.
NUMBERED = frozenset(
    """
    no nos nr art arts fig figs sec abs cap part tab ch pt vol col ext al abb kap bd nº núm
    """.split()  # noqa: SIM905 - a list of words is read as one
)
# German compounds: "Bahnhofstr. 5", "Zimmernr. A".
ABBREVIATED_ENDINGS = ("str", "nr")

# What can stand before "B." without making it an initial: "hall B. Bring a lamp".
LABELLED = frozenset(
    """
    hall room building gate platform vitamin plan option type class level terminal section point
    grade wing block zone area step group team size version drive appendix exhibit figure table
    line track lot unit model part door bay dock locker shelf box form annex phase stage category
    lane stand entrance exit course stop route grade kind variant letter key button switch row side
    halle raum gebäude tor gleis vitamin typ klasse stufe gruppe größe teil anlage formular zone
    bereich linie eingang ausgang spalte punkt variante plan haus block taste
    salle bâtiment quai porte type classe niveau zone groupe taille partie annexe formulaire ligne
    sala edificio puerta andén tipo clase nivel zona grupo talla parte anexo línea vitamina
    edificio binario porta tipo classe livello gruppo taglia parte allegato linea prédio
    zaal gebouw perron deur klasse niveau groep maat deel bijlage lijn budynek sala peron typ grupa
    зал корпус тип класс уровень группа часть линия
    """.split()  # noqa: SIM905 - a list of words is read as one
)

# Words that begin sentences and no names, written large.
STARTERS = frozenset(
    """
    The A An This That These Those It Its He She We You They I My Our Your Their His Her In On At
    By For From To With If When After Before While There Here Then Please But And Or So As Once
    Each Every All Both Some Any No Not Do Does Did Is Are Was Were Has Have Had Can Could May Must
    Should Will Would Only Also However Because Since Until Unless During Which What Who Where Why
    How Bring Use See Call Ask Many Most Other Others Such Thus Therefore Today Children Adults
    Der Die Das Den Dem Des Ein Eine Einen Einem Einer Eines Es Er Sie Wir Ihr Ich Man Dies Diese
    Dieser Dieses Diesen Jede Jeder Jedes Alle Im Am An Auf Bei Beim Mit Nach Vor Von Vom Zu Zum Zur
    Für Aus Über Unter Um Wenn Falls Wer Was Wo Wie Bitte Und Oder Aber Auch Nur Hier Dort Dann
    Danach Seit Während Kein Keine Nicht Ab Bis Durch Ohne Ist Sind
    Le La Les Un Une Du De Il Elle Ils Elles Nous Vous Ce Cette Ces Cet En Dans Pour Avec Sur Si
    Quand Chaque Tous Toutes Après Avant Sans Mais Et Ou Où Par Au Aux Depuis Notre Votre
    El Los Las Unos Unas Una Se Su Sus Con Por Para Si Cuando Cada Todos Todas Después Antes Sin
    Pero Y O Este Esta Estos Estas Ese Al Del No Hay Desde Hasta Nuestro
    Lo Gli Uno È Per Quando Ogni Tutti Dopo Prima Senza Ma Questo Questa Questi Dal Dalla Nel Nella
    Nostro Os As Um Uma É Em No Na Nos Nas Com Cada Depois Antes Sem Mas Este Esta Estes Ao
    Het Een Dit Dat Deze Wij U Hij Zij Ze Op Met Voor Bij Als Elke Alle Na Zonder Maar En Van Uit
    W Z Do Po Od Jest To Ten Ta Te Nie Przy Jeśli Gdy Każdy Wszyscy Przed Bez Ale Dla Przez
    Он Она Оно Они Мы Вы Я Это Эта Этот Эти В На С По К Для Если Когда Все Каждый После Перед Без
    Но И Или Не Из За О Об У От До При Так Там Здесь Ее Её Его
    """.split()  # noqa: SIM905 - a list of words is read as one
)

# A day or an ordinal, not the end: "am 3. Mai", "im 2. Stock".
ORDINAL_LEADS = frozenset(
    """
    am im vom zum zur bis der den dem des die das ab seit beim jeder jeden jedem ein einen einem
    einer mein ihr sein und oder nach vor dne do od dnia den d
    """.split()  # noqa: SIM905 - a list of words is read as one
)
# How their names begin in languages that write "3. Mai".
MONTHS = tuple(
    """
    jan feb mär mar apr mai maj jun jul aug sep okt oct nov dez dec led úno bře dub kvě čer srp zář
    říj lis pro sty lut kwi cze lip sie wrz paź gru tammi helmi maalis huhti touko kesä heinä elo
    syys loka marras joulu
    """.split()  # noqa: SIM905 - a list of words is read as one
)
