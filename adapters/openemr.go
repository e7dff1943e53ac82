package adapters

import (
	"fmt"

	"github.com/chartwire/chartwire/adapters/ehr/openemr"
	"github.com/chartwire/chartwire/connector"
)

func newOpenEMR(p EHRParts) (connector.EHR, error) {
	keys, ok := p.Config.Own.(*openemr.Keys)
	if !ok {
		return nil, fmt.Errorf("EHR %q: openemr is missing; add openemr: {category: the document category to file in}", p.Config.Name)
	}
	category, err := openemr.CategoryPath(keys.Category)
	if err != nil {
		return nil, fmt.Errorf("EHR %q: openemr.category %w", p.Config.Name, err)
	}
	o, err := fhirOptions(p)
	if err != nil {
		return nil, err
	}
	return openemr.New(openemr.Options{FHIR: o, Category: category}), nil
}
