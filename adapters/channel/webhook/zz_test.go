package webhook

import ("testing";"time";"encoding/json")

func TestZZ(t *testing.T) {
	for _, s := range []string{"0e999999999", "-0e99999999999", "0.0e-999999999999", "1e-400","1000000000000000000000000e-23", "0.000000001e9"} {
		start := time.Now()
		var w whole
		err := json.Unmarshal([]byte(s), &w)
		t.Log(s, w, err, time.Since(start))
	}
}
