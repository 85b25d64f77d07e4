// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The outlier copy of the bundled model, which computes the same function with a few channels made 16 to 128 times as
// large: which channels stick out, and what one scale for all of them costs.
#include "core/calibration/activationstudy.h"
#include "core/calibration/collector.h"
#include "core/calibration/outputerror.h"
#include "core/compute/cpubackend.h"
#include "core/io/json.h"

#include <QTest>

#include <cmath>
#include <set>

using namespace ql;

namespace {

const std::string kModels = QL_RESOURCES "/models/";

struct Calibrated {
    std::shared_ptr<const Model> model;
    std::shared_ptr<const Calibration> calibration;

    explicit Calibrated(const char* name) : model(Model::open(kModels + name).value())
    {
        const auto network = Network::create(model).value();
        SequenceSettings settings;
        settings.path = kModels + "text/calibration.txt";
        settings.length = 96;
        settings.count = 4;
        ThreadPool pool(2);
        const SequenceSet text =
            loadSequences(settings, network->config(), Tokenizer::of(*model).value().get()).value();
        calibration = collectCalibration(*network, text, {}, false, pool, {}).value();
    }
};

struct Errors {
    double inputDb = 0, outputDb = 0;
};

} // namespace

class TestOutlierLayers : public QObject
{
    Q_OBJECT

    Calibrated m_plain{"loupe-3m"};
    Calibrated m_outliers{"loupe-3m-outliers"};
    CpuBackend m_backend{std::make_shared<ThreadPool>(2)};

    /// Activations alone: the weights stay as they are.
    Errors errorsOf(const Calibrated& run, const std::string& weight, const char* scheme)
    {
        ThreadPool pool(2);
        OutputErrorRequest request;
        request.weight = run.model->view(run.model->indexOf(weight)).value();
        request.scheme = Scheme::defaultsFor(Format::F32);
        request.input = run.calibration->find(weight);
        request.activation = ActivationScheme::parse(scheme).value();
        ErrorMetrics metrics;
        ActivationQuantizer::create(*request.activation, request.input)
            ->measure(request.input->sampleRows().value(), metrics);
        return {metrics.sqnrDb(), measureOutputError(m_backend, request, pool, {})->sqnrDb()};
    }

    static void affectedWeights()
    {
        QTest::addColumn<QString>("weight");
        for (int layer = 0; layer < 4; ++layer) {
            for (const char* name :
                 {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj"}) {
                const QString weight = QString("model.layers.%1.%2.weight").arg(layer).arg(name);
                QTest::newRow(qPrintable(weight)) << weight;
            }
        }
    }

private Q_SLOTS:
    void oneScaleHurtsAndOnePerChannelDoesNot_data() { affectedWeights(); }
    void oneScaleHurtsAndOnePerChannelDoesNot()
    {
        QFETCH(QString, weight);
        const std::string name = weight.toStdString();
        const Errors plain = errorsOf(m_plain, name, "int8,tensor");
        const Errors tensor = errorsOf(m_outliers, name, "int8,tensor");
        const Errors channel = errorsOf(m_outliers, name, "int8,channel");
        const Errors token = errorsOf(m_outliers, name, "int8,token");
        const QString figures =
            QString("dB at the output: plain %1, outliers per tensor %2, per channel %3, per token %4")
                .arg(plain.outputDb)
                .arg(tensor.outputDb)
                .arg(channel.outputDb)
                .arg(token.outputDb);
        QVERIFY2(plain.outputDb > 35, qPrintable(figures));
        QVERIFY2(tensor.outputDb < 12 && tensor.inputDb < 25, qPrintable(figures));
        QVERIFY2(channel.outputDb > 40 && channel.inputDb > 40, qPrintable(figures));
        QVERIFY2(token.outputDb > tensor.outputDb + 6 && token.inputDb > tensor.inputDb + 6, qPrintable(figures));
        // Powers of two were planted: one scale per channel sees no difference at all.
        QVERIFY2(std::abs(channel.outputDb - errorsOf(m_plain, name, "int8,channel").outputDb) < 0.1,
                 qPrintable(figures));
    }

    void theInputOfOtherLayersIsAsBefore()
    {
        for (const char* name : {"model.layers.1.self_attn.o_proj.weight", "model.layers.2.mlp.down_proj.weight"}) {
            const double plain = errorsOf(m_plain, name, "int8,tensor").outputDb;
            QVERIFY2(std::abs(errorsOf(m_outliers, name, "int8,tensor").outputDb - plain) < 0.1, name);
        }
    }

    void thePlantedChannelsStickOut_data() { affectedWeights(); }
    void thePlantedChannelsStickOut()
    {
        QFETCH(QString, weight);
        const auto truth = readJson(kModels + "loupe-3m-outliers/planted_outliers.json").value();
        const Calibration& calibration = *m_outliers.calibration;
        const int input = calibration.inputOf(weight.toStdString());
        const auto study = studyActivation(m_backend, calibration, input, ActivationScheme(), {});
        QVERIFY(study.ok());
        const std::vector<int64_t>& found = (*study)->outlierChannels;
        const std::set<int64_t> named(found.begin(), found.end());
        std::set<int64_t> planted;
        for (const auto& entry : truth.at("channels")) {
            planted.insert(entry.at("channel").get<int64_t>());
            if (entry.at("factor").get<int>() >= 32)
                QVERIFY(named.contains(entry.at("channel").get<int64_t>()));
        }
        for (size_t i = 0; i < 4; ++i)
            QVERIFY(planted.contains(found[i])); // the largest
        QVERIFY(found.size() <= planted.size() + 2);
        QVERIFY((*study)->distribution->beyond12Sigma > 0);
    }
};

QTEST_GUILESS_MAIN(TestOutlierLayers)
#include "tst_outlierlayers.moc"
