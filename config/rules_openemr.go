package config

import "strings"

// openemrRules checks an EHR of type openemr: it has one way of filing.
func (l *loader) openemrRules(e *EHR, path string) {
	if base := path + ".base_url"; l.given(base) && checkURL(e.BaseURL, "") == "" && !strings.HasSuffix(e.BaseURL, "/fhir") {
		l.mistake(base, "does not end in /fhir, so it is not known where the standard API is; write https://HOST/apis/SITE/fhir, the site mostly being default")
	}
	if as := e.Filing.As; len(as) > 0 && !as.Auto() {
		l.mistake(path+".filing.as", "is not for type openemr, which files documents by its own API; write auto")
	}
}
