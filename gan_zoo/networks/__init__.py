"""Generator and discriminator families, built from a `gan_zoo.variant.Spec`."""
