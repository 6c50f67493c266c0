package view

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/fedrelu/fedrelu/internal/papers"
)

// The narrowest and the widest text that claims are written in.
const (
	narrowest = 60
	widest    = 110
)

// claimLabel is how far the values of a claim are set in.
const claimLabel = 12

// WritePaper writes what came of a paper for people: a block for each claim, as wide as a terminal of that width allows.
func WritePaper(w io.Writer, r papers.Report, width int) error {
	width = max(narrowest, min(width, widest))
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n%s\n", strings.Join(wrapText(r.Paper.Title, width), "\n"), strings.Repeat("=", min(width, utf8.RuneCountInString(r.Paper.Title))))
	for _, result := range r.Results {
		out.WriteString("\n")
		writeClaim(&out, NewClaim(r.Paper.Name, result), width)
	}
	summary := fmt.Sprintf("%s: %s in %s", r.Paper.Name, NewReproduce([]papers.Report{r}).Summary(), Seconds(r.Took.Seconds()))
	fmt.Fprintf(&out, "\n%s\n\n", strings.Join(wrapText(summary, width), "\n"))
	_, err := io.WriteString(w, out.String())
	return err
}

func writeClaim(out *strings.Builder, c Claim, width int) {
	head := fmt.Sprintf("%-*s%s", claimLabel, c.ID, strings.ToUpper(c.Verdict))
	took := Seconds(c.Took.Seconds())
	fmt.Fprintf(out, "%s%*s\n", head, max(2, width-utf8.RuneCountInString(head)), took)
	for _, line := range [][2]string{
		{"claim", c.Claim},
		{"source", c.Source + " (" + c.Evidence + ")"},
		{"kind", string(c.Kind)},
		{"set-up", value(c.Setup)},
		{"predicted", value(c.Predicted)},
		{"measured", value(c.Measured)},
		{"effect", c.effect()},
		{"gate", c.gate()},
		{"why", c.Why},
	} {
		for i, text := range wrapText(line[1], width-claimLabel) {
			label := line[0]
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(out, "  %-*s%s\n", claimLabel-2, label, text)
		}
	}
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// effect writes the number of a claim with its interval, and the threshold that it is compared with.
func (c Claim) effect() string {
	if c.Effect == nil && c.Threshold == nil {
		return ""
	}
	text := "none"
	if c.Effect != nil {
		text = short(*c.Effect)
	}
	text += c.interval()
	if c.Threshold != nil {
		text += ", threshold " + short(*c.Threshold)
	}
	if c.Seeds > 0 {
		text += ", " + plural(c.Seeds, "seed")
	}
	return text
}

func (c Claim) interval() string {
	if c.CI95 == nil {
		return ""
	}
	return fmt.Sprintf(" [%s, %s]", short(c.CI95[0]), short(c.CI95[1]))
}

func (c Claim) gate() string {
	if c.Gate == nil {
		return ""
	}
	return fmt.Sprintf("%s: kept %d, dropped %d", c.Gate.Rule, c.Gate.Kept, c.Gate.Dropped)
}

func short(v float64) string { return fmt.Sprintf("%.4g", v) }

// wrapText breaks a text into lines of at most width characters, between words; a longer word has a line of its own.
func wrapText(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(plain(text)) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// WriteOverview writes a line for each claim: what one looks at first.
func (d Reproduce) WriteOverview(w io.Writer, width int) error {
	var t Table
	t.Right = []int{2, 4}
	t.Add("CLAIM", "VERDICT", "EFFECT", "95% INTERVAL", "THRESHOLD", "TIME")
	for _, c := range d.Claims {
		effect, threshold := "-", "-"
		if c.Effect != nil {
			effect = short(*c.Effect)
		}
		if c.Threshold != nil {
			threshold = short(*c.Threshold)
		}
		interval := strings.TrimSpace(c.interval())
		if interval == "" {
			interval = "-"
		}
		t.Add(c.ID, c.Verdict, effect, interval, threshold, Seconds(c.Took.Seconds()))
	}
	if err := t.Write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(wrapText(d.Summary(), max(narrowest, min(width, widest))), "\n"))
	return err
}
