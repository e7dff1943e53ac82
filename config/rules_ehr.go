package config

import (
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// ehrRules checks one EHR connection: what its type needs, and what does not belong to its type.
func (l *loader) ehrRules(e *EHR, path string) {
	switch e.Type {
	case "":
		return // refused already; nothing below would be sure
	case HL7v2:
		l.hl7v2Rules(e, path)
	default:
		l.fhirRules(e, path)
	}
	if e.Type == OpenEMR {
		l.openemrRules(e, path)
	}
	l.filingRules(e, path+".filing")
	l.roleRules(&e.Roles, path+".roles")
	l.unusedRules(e, path)
}

// fhirRules checks the types that speak FHIR.
func (l *loader) fhirRules(e *EHR, path string) {
	l.need(path, "base_url", "the FHIR R4 base address of this EHR")
	for _, key := range []string{"address", "plaintext_to", "tls", "match", "hl7", "adt"} {
		l.foreign(path, key, "hl7v2")
	}
	if e.Backend == nil && !l.given(path+".backend") && checkURL(e.BaseURL, "") == "" && !isLoopback(urlHost(e.BaseURL)) {
		if e.Type == FHIR {
			l.warn(path+".backend", "no backend: this EHR is called without a token, as an open server; add backend for a real one")
		} else {
			l.warn(path+".backend", "no backend: nothing can be filed unattended; add backend with client_id and key_file")
		}
	}
	if e.Launch != nil {
		l.launchRules(e.Launch, path+".launch")
	}
}

// launchRules checks the inbox's client: one way to authenticate, and a frame it may be shown in.
func (l *loader) launchRules(a *Launch, path string) {
	if a.Key.IsSet() && a.Secret.IsSet() {
		l.mistake(path, "has both a key and a secret; keep the one this client is registered with")
	}
	if len(a.FrameAncestors) == 0 {
		l.warn(path+".frame_ancestors", "no frame_ancestors: browsers will not show the inbox inside the EHR, only in a window of its own; write the origin of the EHR's pages")
	}
}

// hl7v2Rules checks the legacy type.
func (l *loader) hl7v2Rules(e *EHR, path string) {
	l.need(path, "address", "the interface engine, mllps://host:port")
	l.need(path, "match", "trust-identifiers or adt")
	l.need(path, "hl7", "what the messages carry, at least sending, receiving and authorities")
	for _, key := range []string{"base_url", "backend", "launch", "watch", "probe"} {
		l.foreign(path, key, "the FHIR types")
	}
	l.engineRules(e, path)
	if e.TLS != nil {
		l.tlsRules(e.TLS, path+".tls")
	}
	l.adtRules(e, path+".adt")
	if h := e.HL7; h != nil {
		if slices.Contains(signing, h.Completion) && h.Authenticator == "" && !l.given(path+".hl7.authenticator") {
			l.mistake(path+".hl7.completion", h.Completion+" says how far somebody has got with signing, and nobody is named; write DO, or add authenticator, the signer the site names")
		}
		if h.Authorities != nil && len(h.Authorities) == 0 {
			l.mistake(path+".hl7.authorities", "is empty; add the assigning authority of at least one identifier system")
		}
	}
}

// signing are the values of table 0271 that say how far a signer has got: all but DO.
var signing = []string{"AU", "DI", "IN", "IP", "LA", "PA"}

// adtRules keeps an ADT feed's listener from the networks of others: what it takes in the clear is who the patients are, and
// whoever can send to it can merge them.
func (l *loader) adtRules(e *EHR, path string) {
	a := e.ADT
	switch {
	case e.Match == MatchADT && !l.given(path):
		l.mistake(path, "is missing; add adt with listen and sending, where the EHR's ADT messages come in")
	case a != nil && e.Match != MatchADT && e.Match != "":
		l.mistake(path, "is used by match: adt alone; write that, or remove adt")
	}
	if a == nil {
		return
	}
	if t := a.TLS; t != nil {
		l.keyPair(t.Cert, t.Key, path+".tls")
		return
	}
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil || l.given(path+".tls") || isLoopback(host) {
		return
	}
	if at, err := netip.ParseAddr(host); err == nil && !at.IsUnspecified() && !privately(netip.PrefixFrom(at, at.BitLen())) {
		l.mistake(path+".listen", "is a public address, and patients' data would come to it in the clear; add tls, or listen on a loopback or private address")
		return
	}
	if len(a.Allow) == 0 {
		l.mistake(path+".listen", "takes patients' data from other machines in the clear; add tls, or allow with the private network the interface engine is in, or listen on 127.0.0.1")
	}
	for i, s := range a.Allow {
		if p, err := netip.ParsePrefix(s); err == nil && !privately(p) {
			l.mistake(index(path+".allow", i), quote(s)+" is no private network, and patients' data would cross it in the clear; add tls, or write the private network the interface engine is in")
		}
	}
}

func (l *loader) tlsRules(t *TLS, path string) {
	if t.Cert.IsSet() != t.Key.IsSet() {
		l.mistake(path, "has one of cert_file and key_file; give both for mutual TLS, or neither")
		return
	}
	l.keyPair(t.Cert, t.Key, path)
}

// keyPair checks that a certificate and a key belong together.
func (l *loader) keyPair(file File, secret Secret, path string) {
	cert, key := string(file.Bytes()), secret.Reveal()
	if cert == "" || key == "" || checkPEM(cert, "") != "" || checkPEM(key, "") != "" {
		return // reported already, as missing or as no PEM
	}
	if _, err := tls.X509KeyPair([]byte(cert), []byte(key)); err != nil {
		l.mistake(path, "cert_file and key_file do not belong together; give the key of that certificate")
	}
}

// filingRules checks the filing policy against the EHR's type.
func (l *loader) filingRules(e *EHR, path string) {
	as := e.Filing.As
	if as != nil && len(as) == 0 {
		l.mistake(path+".as", "is empty; write auto, or the strategies in order of preference")
	}
	if len(as) > 1 && slices.Contains(as, StrategyAuto) {
		l.mistake(path+".as", "has auto beside others; write auto alone, or only the others")
	}
	if e.Type == Athena && as != nil && !as.Auto() {
		l.mistake(path+".as", "athena takes documents over an API of its own only; write auto, or leave it out")
	}
	mdm := slices.Contains(as, StrategyMDM)
	switch {
	case e.Type != HL7v2 && mdm:
		l.mistake(path+".as", "mdm is for type hl7v2; write communication, note or document")
	case e.Type == HL7v2 && !as.Auto() && (!mdm || len(as) > 1):
		l.mistake(path+".as", "hl7v2 files only as mdm; write mdm or auto")
	}
	l.encounterRules(e, path+".encounter")
	switch e.Type {
	case Epic:
		l.epicRules(e, path)
	case Oracle:
		l.oracleRules(e, path)
	case Meditech:
		l.meditechRules(e, path)
	}
	l.grainRules(e, path)
	note := path + ".note_type"
	if l.given(note) && l.given(note+".system") != l.given(note+".code") {
		l.mistake(note, "has one of system and code; a code means nothing without its system, write both")
	}
}

// grainRules refuses a thread as one entry where none can be filed so.
func (l *loader) grainRules(e *EHR, path string) {
	as := e.Filing.As
	if e.Filing.Per != PerThread {
		return
	}
	if why, ok := oneByOne[e.Type]; ok {
		l.mistake(path+".per", "thread is not for type "+string(e.Type)+": "+why+"; write exchange, or leave it out")
		return
	}
	if slices.Contains(as, StrategyCommunication) || as.Auto() && (e.Type == FHIR || e.Type == Oracle) {
		l.mistake(path+".per", "thread is for notes and documents, and as may come to communication; name note or document in as, or write exchange")
	}
}

// encounterRules refuses what a policy has no use for, and what an interface engine cannot be asked.
func (l *loader) encounterRules(e *EHR, path string) {
	if why, ok := noEncounter[e.Type]; ok {
		l.withoutEncounter(e, path, why)
		return
	}
	p := e.Filing.Encounter.Policy
	unasked := e.Type == HL7v2 && e.Match != MatchADT // an ADT feed tells of visits
	if unasked && (p == EncounterOpen || p == EncounterRecent || p == EncounterThread) {
		l.mistake(path+".policy", string(p)+" asks the EHR for encounters, and an hl7v2 engine cannot be asked; write when-known (the visit the platform names), required (hold without one) or never, or match: adt, whose feed tells of visits")
		return
	}
	for _, key := range []string{"days", "departments"} {
		switch {
		case !l.given(path + "." + key), key == "days" && e.Filing.Encounter.Days == 7: // the default, as config print writes it
		case unasked, e.Type == HL7v2 && key == "departments": // which a feed does not name by reference
			l.mistake(path+"."+key, "is about encounters the EHR is asked for, and an hl7v2 engine cannot be asked; remove it")
		case !p.LooksBack() && p != "":
			l.mistake(path+"."+key, "is for policy recent, thread or required, and has no effect with "+string(p)+"; remove it or change the policy")
		}
	}
	if l.given(path+".departments") && e.Filing.Encounter.Departments != nil && len(e.Filing.Encounter.Departments) == 0 {
		l.mistake(path+".departments", "is empty, so that no encounter fits; name departments, or remove it for all")
	}
}

// withoutEncounter refuses what can have no effect where entries belong to no encounter. Left out, the policy is never.
func (l *loader) withoutEncounter(e *EHR, path, why string) {
	no := " has no effect with type " + string(e.Type) + ": " + why + "; "
	switch p := e.Filing.Encounter.Policy; {
	case !l.given(path + ".policy"):
		e.Filing.Encounter.Policy = EncounterNever
	case p != EncounterNever && p != "":
		l.mistake(path+".policy", string(p)+no+"write never, or leave it out")
	}
	if l.given(path+".days") && e.Filing.Encounter.Days != 7 { // the default, as config print writes it
		l.mistake(path+".days", strings.TrimSpace(no)+" remove it")
	}
	if l.given(path + ".departments") {
		l.mistake(path+".departments", strings.TrimSpace(no)+" remove it")
	}
}

// roleRules refuses a code that would give two roles.
func (l *loader) roleRules(r *Roles, path string) {
	for i, code := range r.Staff {
		if slices.Contains(r.Clinician, code) {
			l.mistake(index(path+".staff", i), quote(code)+" is under clinician too; keep it in one")
		}
	}
}

// need reports a key a type requires.
func (l *loader) need(path, key, what string) {
	if !l.given(path + "." + key) {
		l.mistake(path+"."+key, "is missing; add "+key+": "+what)
	}
}

// foreign reports a key that belongs to other types.
func (l *loader) foreign(path, key, to string) {
	if l.given(path + "." + key) {
		l.mistake(path+"."+key, "belongs to "+to+" only; remove it or correct the type")
	}
}
