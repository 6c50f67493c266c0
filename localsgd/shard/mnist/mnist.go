// Package mnist embeds the MNIST handwritten digits: 60,000 training and 10,000 test images of 28 x 28 grey pixels.
//
// Rules: the files are the original ones, gzipped IDX, unchanged; SHA256SUMS holds their checksums and NOTICE their origin
// and licence. Importing this package adds 11.6 MB to a binary, which is why localsgd/shard does not.
package mnist

import (
	"embed"
	"fmt"

	"github.com/fedrelu/fedrelu/localsgd/shard"
)

//go:embed *-ubyte.gz
var files embed.FS

// Load decompresses the arrays that need asks for: 47 MB for the training images, 8 MB for the test images.
func Load(need shard.Need) (shard.Data, error) {
	d, err := shard.LoadIDX(files, need)
	if err != nil {
		return shard.Data{}, fmt.Errorf("embedded MNIST: %w", err)
	}
	return d, nil
}
