package config

import "slices"

// loinc is the code system of note types that every EHR shares.
const loinc = "http://loinc.org"

// The LOINC codes of the note types Epic lists for clinical notes, as third parties recorded them, and those that Epic files by
// other workflows. docs/ehrs/epic.md says how sure that is.
var (
	epicNoteTypes   = []string{"11506-3", "11488-4", "34117-2", "28570-0", "34111-5", "34746-8", "75492-9", "11504-8", "34109-9"}
	epicOtherwise   = []string{"18842-5", "34105-7", "69730-0"}
	epicNoteDefault = Coding{System: loinc, Code: "11506-3"} // progress note: the general default is none of Epic's
)

// epicRules checks what Epic needs of an administrator, who alone knows who signs.
func (l *loader) epicRules(e *EHR, path string) {
	if !l.given(path + ".doc_status") {
		l.mistake(path+".doc_status", "is missing; write final (each note is signed as it is filed, by the background user) or preliminary (each note is a draft that somebody has to sign)")
	}
	for _, s := range e.Filing.As {
		if s == StrategyCommunication || s == StrategyDocument {
			l.mistake(path+".as", string(s)+" is nothing Epic takes for a patient's messages; write note")
		}
	}
	note := path + ".note_type"
	if !l.given(note + ".code") {
		e.Filing.NoteType = epicNoteDefault
		return
	}
	switch t := e.Filing.NoteType; {
	case t.System != loinc: // the organization's own
	case slices.Contains(epicOtherwise, t.Code):
		l.mistake(note+".code", "Epic files discharge summaries and patient instructions by other workflows, not as clinical notes; write 11506-3 (progress note), or the organization's own note type with its system")
	case !slices.Contains(epicNoteTypes, t.Code):
		l.mistake(note+".code", quote(t.Code)+" is not among the LOINC codes Epic lists for clinical notes, and it refuses others; write 11506-3 (progress note), or the organization's own note type with its system")
	}
}
