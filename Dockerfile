# The image is the program and nothing else: no base image to pull, no shell, no package. `make` writes bin/image first.
FROM scratch

COPY bin/image/fedrelu /fedrelu
# scratch has no mkdir: these folders come from the build context, and a new volume takes their owner.
COPY --chown=65532:65532 bin/image/folders/ /

USER 65532:65532
ENTRYPOINT ["/fedrelu"]
CMD ["--help"]
