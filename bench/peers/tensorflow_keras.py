# SPDX-License-Identifier: BSL-1.0
"""Keras on TensorFlow: fit() for training, the model inside a tf.function for inference."""
import os
import time

import numpy as np
import peer

o = peer.options()
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"

import tensorflow as tf  # noqa: E402
import keras  # noqa: E402
from keras import layers as k  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(o.threads)
tf.config.threading.set_inter_op_parallelism_threads(1)


def network(data, dropout):
    net = keras.Sequential([keras.Input((32, 32, 3))])
    for i, (kernel, stride, _, outputs) in enumerate(peer.LAYERS):
        activation = "relu" if i + 1 < len(peer.LAYERS) else None
        if i < peer.CONVOLUTIONS:
            net.add(k.Conv2D(outputs, kernel, stride, "same", activation=activation))
        else:
            net.add(k.Dense(outputs, activation=activation))
        net.layers[-1].set_weights(data.weights[i])
        if i in peer.POOLS:
            net.add(k.MaxPooling2D(3, 2))
        if i == peer.CONVOLUTIONS - 1:
            net.add(k.Flatten())
        if dropout and i in (5, 6):
            net.add(k.Dropout(peer.DROPOUT))
    return net


class Clock(keras.callbacks.Callback):
    """The time of each batch within one call of fit, everything between them included."""

    def __init__(self, seconds, warm_up):
        super().__init__()
        self.seconds, self.warm_up = seconds, warm_up
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())
        done = len(self.times) - self.warm_up - 1
        if done >= 5 and self.times[-1] - self.times[self.warm_up] >= self.seconds:
            self.model.stop_training = True
            raise StopIteration

    def milliseconds(self):
        return list(np.diff(self.times[self.warm_up:]) * 1e3)


class Keras:
    def __init__(self, data, batch, training, dropout):
        self.net = network(data, dropout)
        self.batch = batch
        self.images, self.labels = data.images, data.labels
        if training:
            self.net.compile(keras.optimizers.SGD(peer.LEARNING_RATE, peer.MOMENTUM),
                             keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
        else:
            self.tensors = [tf.constant(data.images[i:i + batch]) for i in range(0, len(data.images), batch)]
            self.call = tf.function(lambda x: self.net(x, training=False))

    def parameters(self):
        return self.net.count_params()

    def step(self, i):
        at = slice(i * self.batch, (i + 1) * self.batch)
        return self.net.train_on_batch(self.images[at], self.labels[at])

    def train(self, seconds, warm_up):
        clock = Clock(seconds, warm_up)
        try:
            self.net.fit(self.images, self.labels, batch_size=self.batch, epochs=1000, shuffle=False, verbose=0,
                         callbacks=[clock])
        except StopIteration:
            pass
        return clock.milliseconds()

    def predict(self, i):
        return self.call(self.tensors[i]).numpy()


peer.main("keras", f"{keras.__version__}/tensorflow-{tf.__version__}", Keras, o)
