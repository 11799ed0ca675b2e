/* Steps of batch gradient descent by FANN, as its fann_train_on_data takes them, on rows that stay in place.

   In: sizes of the layers, rows and targets as floats. Out: a network to go on with, and the error of each step. */

#include <floatfann.h>

static struct fann *net;
static struct fann_train_data *data;

int start(unsigned layers, const unsigned *sizes, unsigned rows, float *x, float *t, float rate)
{
    unsigned inputs = sizes[0], outputs = sizes[layers - 1], i, j;
    net = fann_create_standard_array(layers, sizes);
    data = fann_create_train(rows, inputs, outputs);
    if (!net || !data)
        return 1;
    for (i = 0; i < rows; i++) {
        for (j = 0; j < inputs; j++)
            data->input[i][j] = x[i * inputs + j];
        for (j = 0; j < outputs; j++)
            data->output[i][j] = t[i * outputs + j];
    }
    fann_set_training_algorithm(net, FANN_TRAIN_BATCH);
    fann_set_activation_function_hidden(net, FANN_SIGMOID_SYMMETRIC); /* tanh */
    fann_set_activation_steepness_hidden(net, 1.0f);
    fann_set_activation_function_output(net, FANN_LINEAR);
    fann_set_activation_steepness_output(net, 1.0f);
    fann_set_learning_rate(net, rate);
    return 0;
}

void run(unsigned steps, float *errors)
{
    for (unsigned i = 0; i < steps; i++)
        errors[i] = fann_train_epoch(net, data);
}
