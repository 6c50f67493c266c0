package figure

import "strings"

// fontFamily is what the widths below are of; where a machine has none of these fonts, slack leaves room for a wider one.
const (
	fontFamily = "Helvetica, Arial, 'Liberation Sans', sans-serif"
	slack      = 1.1
)

// textWidth is at least the width of a text in pixels, in the regular face of any common sans serif font.
func textWidth(text string, size float64) float64 {
	w := 0.0
	for _, r := range text {
		w += glyphWidth(r)
	}
	return w * size * slack
}

// glyphWidth is the width of Helvetica's letter in ems, rounded up by classes.
func glyphWidth(r rune) float64 {
	switch {
	case strings.ContainsRune("ijl'|", r):
		return 0.23
	case strings.ContainsRune("It .,:;!/\\()[]f", r):
		return 0.28
	case strings.ContainsRune("r-\"", r):
		return 0.35
	case strings.ContainsRune("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", r):
		return 0.36
	case strings.ContainsRune("cksvxyzJ", r):
		return 0.5
	case strings.ContainsRune("mMwW%@—…", r):
		return 0.9
	case r >= 'A' && r <= 'Z' || r == '&':
		return 0.72
	case r > 0x2e80: // wide scripts
		return 1.1
	case r > 0x7f && !strings.ContainsRune("·×−–²³εηλσμ°", r):
		return 0.75
	}
	return 0.58
}

// bolder is how much wider bold letters are.
const bolder = 1.08

// wrap breaks a text into lines of at most width pixels, between words where it can be; a longer word is cut.
func wrap(text string, size, width float64) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		joined := word
		if line != "" {
			joined = line + " " + word
		}
		if textWidth(joined, size) <= width {
			line = joined
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		line = cut(word, size, width)
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// cut shortens a text that is wider than width.
func cut(text string, size, width float64) string {
	if textWidth(text, size) <= width {
		return text
	}
	letters := []rune(text)
	for len(letters) > 1 && textWidth(string(letters)+"…", size) > width {
		letters = letters[:len(letters)-1]
	}
	return string(letters) + "…"
}

// widestText is the width of the widest of the texts.
func widestText(texts []string, size float64) float64 {
	most := 0.0
	for _, t := range texts {
		most = max(most, textWidth(t, size))
	}
	return most
}
