package config

import (
	"regexp"
	"slices"
)

// oneByOne are the types that file each message by itself, and why.
var oneByOne = map[EHRType]string{
	Meditech: "MEDITECH takes Communications alone, and a thread is one note or one document",
	Athena:   "each message is a document of its own there in this version",
	OpenEMR:  "each message is a document of its own there in this version",
}

// noEncounter are the types whose entries belong to no encounter, and why.
var noEncounter = map[EHRType]string{
	Athena:  "neither a clinical document nor a patient case of athenaOne's API names an encounter",
	OpenEMR: "a document of OpenEMR's API belongs to no encounter",
}

// codeSet72 is the code system of a Millennium domain's own document types.
var codeSet72 = regexp.MustCompile(`^https://fhir\.cerner\.com/[^/]+/codeSet/72$`)

// oracleRules checks the filing policy against what Millennium takes of a document.
func (l *loader) oracleRules(e *EHR, path string) {
	if slices.Contains(e.Filing.As, StrategyDocument) {
		l.mistake(path+".as", "document has two forms of one text, and Oracle Health takes one; write auto, communication or note")
	}
	if e.Filing.DocStatus == DocPreliminary {
		l.mistake(path+".doc_status", "preliminary is not taken by Oracle Health: a document is filed as final; write final")
	}
	if s := e.Filing.NoteType.System; s != "" && s != "http://loinc.org" && !codeSet72.MatchString(s) {
		l.mistake(path+".note_type.system", "is not taken by Oracle Health; write http://loinc.org, or https://fhir.cerner.com/<tenant>/codeSet/72 with a code of that set")
	}
}

// meditechRules checks the filing policy against what MEDITECH declares.
func (l *loader) meditechRules(e *EHR, path string) {
	for _, s := range []Strategy{StrategyNote, StrategyDocument} {
		if slices.Contains(e.Filing.As, s) {
			l.mistake(path+".as", string(s)+" needs DocumentReference.create, which MEDITECH does not declare; write auto or communication")
		}
	}
}
