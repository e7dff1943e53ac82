package r4

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrResourceType is returned when a body is a resource of another type, or no resource.
var ErrResourceType = errors.New("the body is not the expected resource type")

// TypeOf returns the resourceType of a JSON resource, "" where there is none. It reads no
// further than the one field.
func TypeOf(raw []byte) string {
	var head struct {
		ResourceType string `json:"resourceType"`
	}
	if json.Unmarshal(raw, &head) != nil {
		return ""
	}
	return head.ResourceType
}

// parseView checks the resourceType and the required status (samply reads a missing status as
// its first code) and unmarshals raw into view. Its errors name elements, never values.
func parseView(resourceType string, raw []byte, view any) error {
	o, err := parseObject(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", resourceType, err)
	}
	var got string
	if json.Unmarshal(o.vals["resourceType"], &got) != nil || got != resourceType {
		return fmt.Errorf("%s: %w", resourceType, ErrResourceType)
	}
	if !o.has("status") {
		return &Problem{resourceType + ".status", "required, and missing"}
	}
	if err := json.Unmarshal(raw, view); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return &Problem{resourceType + "." + wrong.Field, "has the wrong JSON type"}
		}
		return &Problem{resourceType, "a coded element holds a code R4 does not define"}
	}
	return nil
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
