package adapters_test

import (
	"strings"
	"testing"

	"github.com/chartwire/chartwire/adapters"
	"github.com/chartwire/chartwire/config"
)

// TestPerThreadIsForAdaptersThatTellThreads: with another one all but the last message of a thread would be lost, so a type
// that does not say it can is refused.
func TestPerThreadIsForAdaptersThatTellThreads(t *testing.T) {
	told := map[config.EHRType]bool{config.FHIR: true, config.HL7v2: true, config.Epic: true, config.Oracle: true}
	for _, kind := range adapters.EHRTypes() {
		c := legacy()
		c.Type, c.Filing.As, c.Filing.Per = kind, config.Strategies{config.StrategyNote}, config.PerThread
		_, err := adapters.EHR(adapters.EHRParts{Config: c, Base: "urn:b"})
		refused := err != nil && strings.Contains(err.Error(), "filing.per thread is not available for type "+string(kind))
		if refused == told[kind] {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
