package openemr

import "github.com/chartwire/chartwire/config"

// Keys are the configuration keys of type openemr alone.
type Keys struct {
	Category string `yaml:"category" doc:"Document category the messages are filed in, with those it is below, as OpenEMR shows them: Chartwire, or Medical Record/Letters. It must be there, under one name in the whole tree." required:"true" format:"text"`
}

// Validate is config.Validator.
func (k *Keys) Validate() []config.Problem {
	if k.Category == "" {
		return nil // reported as missing
	}
	if _, err := CategoryPath(k.Category); err != nil {
		return []config.Problem{{Path: "category", Text: err.Error()}}
	}
	return nil
}

// Section is the part of the configuration that belongs to type openemr.
func Section() config.Section {
	return config.Section{Of: "ehr", Type: string(config.OpenEMR), New: func() config.Validator { return new(Keys) }}
}
