package ehr

// PaletteLines are a palette's offers as the lines of a script.
func PaletteLines(name string) []string {
	var out []string
	for _, o := range palettes[name] {
		line := "* * * " + o.name
		for k, v := range o.args {
			line += " " + k + "=" + v
		}
		out = append(out, line)
	}
	return out
}
