// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Reports: the figures are the analyses' own, the page holds no reference to anything and no markup from names, pictures
// are well-formed, JSON and CSV say the same.
#include "core/base/html.h"
#include "core/compute/cpubackend.h"
#include "core/export/svgheatmap.h"
#include "core/report/reportfigures.h"
#include "support/testmodels.h"

#include <QRegularExpression>
#include <QTest>
#include <QXmlStreamReader>

#include <nlohmann/json.hpp>

#include <stdexcept>

using namespace ql;
using nlohmann::json;

namespace {

constexpr const char* kNasty = "model.layers.0.self_attn.q_proj.<script>alert(\"x\") & 'y'</script>";

template <class T>
T valueOf(Result<T> result)
{
    if (!result.ok())
        throw std::runtime_error(result.error().text());
    return std::move(result).value();
}

bool isWellFormed(const std::string& xml)
{
    QXmlStreamReader reader(QByteArray::fromStdString(xml));
    while (!reader.atEnd())
        reader.readNext();
    return !reader.hasError();
}

int rowsIn(const QString& html, const QString& after)
{
    const qsizetype begin = html.indexOf(after), end = html.indexOf("</tbody>", begin);
    return int(html.mid(begin, end - begin).count("<tr>")) - 1; // without the heading
}

} // namespace

class TestReport : public QObject
{
    Q_OBJECT

    std::shared_ptr<ThreadPool> m_pool = std::make_shared<ThreadPool>(2);
    CpuBackend m_backend{m_pool};

    ReportRequest request()
    {
        ReportRequest wanted;
        wanted.model = test::runnableLlama();
        wanted.policy.name = "four < eight & \"more\"";
        wanted.policy.defaultScheme = valueOf(Scheme::parse("int4,group=16"));
        wanted.policy.rules.push_back({"down_proj", {}, -1, -1, valueOf(Scheme::parse("q8_0")), "a <note>"});
        wanted.date = "2024-02-29T12:00:00Z";
        return wanted;
    }
    Report make(const ReportRequest& wanted) { return valueOf(makeReport(m_backend, wanted, *m_pool, {})); }

private Q_SLOTS:
    void figuresAreThoseOfTheBackend()
    {
        const ReportRequest wanted = request();
        const Report report = make(wanted);
        const auto decisions = valueOf(wanted.policy.resolve(*wanted.model));
        QCOMPARE(report.tensors.size(), decisions.size());
        uint64_t bytes = 0;
        int fallbacks = 0;
        for (size_t i = 0; i < decisions.size(); ++i) {
            const ReportTensor& tensor = report.tensors[i];
            QCOMPARE(tensor.decision.scheme, decisions[i].scheme);
            fallbacks += !decisions[i].fallback.empty();
            bytes += tensor.figures.metrics.bytes;
            if (decisions[i].asStored)
                continue;
            const auto measured = valueOf(m_backend.measure(valueOf(wanted.model->view(int(i))), decisions[i].scheme, {}));
            QCOMPARE(tensor.figures.metrics.sumSquaredError, measured.sumSquaredError);
        }
        QCOMPARE(report.storedBytes, bytes);
        QCOMPARE(report.bitsPerWeight, 8.0 * double(bytes) / double(wanted.model->parameters()));
        QCOMPARE(fallbacks, 2); // rows of 48 hold no whole blocks of 32
        const auto about = [](const ReportFinding& finding) { return finding.text.find("q8_0") != std::string::npos; };
        QVERIFY(std::any_of(report.findings.begin(), report.findings.end(), about));
        QCOMPARE(report.fingerprint, wanted.model->fingerprint());
        QCOMPARE(report.date, wanted.date);
    }

    void theWorstWeightsGetPictures()
    {
        ReportRequest wanted = request();
        wanted.grids = 3;
        const Report report = make(wanted);
        QCOMPARE(report.grids.size(), size_t(3));
        double before = -1e9;
        for (const ReportGrid& grid : report.grids) {
            QVERIFY(grid.quantization->metrics.sqnrDb() >= before);
            before = grid.quantization->metrics.sqnrDb();
        }
        for (const ReportTensor& tensor : report.tensors) {
            if (!tensor.decision.asStored)
                QVERIFY(tensor.figures.metrics.sqnrDb() >= report.grids[0].quantization->metrics.sqnrDb() - 1e-9);
        }
    }

    void picturesAreWellFormed_data()
    {
        QTest::addColumn<QString>("svg");
        const Report report = make(request());
        QTest::newRow("size") << QString::fromStdString(sizeFigure(report));
        QTest::newRow("SQNR") << QString::fromStdString(sqnrFigure(report));
        QTest::newRow("error by layer") << QString::fromStdString(errorByLayerFigure(report));
        QTest::newRow("bits by layer") << QString::fromStdString(bitsByLayerFigure(report));
        QTest::newRow("grid") << QString::fromStdString(gridFigure(*report.grids.at(0).quantization, kNasty, "<&>"));
        SvgHeatMap map{"a < b", "x & y", "\"row\"", {"<r>"}, {"<c>", "d"}, {1.5, std::nullopt}};
        QTest::newRow("names with markup") << QString::fromStdString(map.toSvg());
    }
    void picturesAreWellFormed()
    {
        QFETCH(QString, svg);
        QVERIFY(svg.startsWith("<svg"));
        QVERIFY(isWellFormed(svg.toStdString()));
        QVERIFY(!svg.contains("<script"));
    }

    void heatMapCellsStandForTheirValues()
    {
        const SvgHeatMap map{"t", "dB", "layer", {"0", "1"}, {"q"}, {10.0, 20.0}};
        const QString svg = QString::fromStdString(map.toSvg());
        QVERIFY(svg.contains("fill=\"rgb(68,1,84)\"><title>layer 0, q: 10.0 (dB)"));
        QVERIFY(svg.contains("fill=\"rgb(253,231,37)\"><title>layer 1, q: 20.0 (dB)"));
    }

    void thePageIsSelfContainedAndComplete()
    {
        const Report report = make(request());
        const QString html = QString::fromStdString(reportToHtml(report));
        QVERIFY(html.startsWith("<!doctype html>"));
        static const QRegularExpression reference("(src|href)\\s*=|url\\(|@import|https?://(?!www\\.w3\\.org/2000/svg)");
        QVERIFY2(!reference.match(html).hasMatch(), qPrintable(reference.match(html).captured()));
        QVERIFY(html.contains("prefers-color-scheme:dark"));
        QCOMPARE(html.count("<svg"), 4 + qsizetype(report.grids.size()));
        QCOMPARE(rowsIn(html, "<h2>Tensors</h2>"), int(report.tensors.size()));
        for (const ReportTensor& tensor : report.tensors)
            QVERIFY(html.contains(QString::fromStdString(tensor.info.name)));
        for (const char* fact : {"2024-02-29T12:00:00Z", "four &lt; eight &amp; &quot;more&quot;"})
            QVERIFY2(html.contains(fact), fact);
        QVERIFY(html.contains(QString::fromStdString(report.fingerprint)));
        QCOMPARE(html.count("<script>"), 1);
    }

    void namesNeverBecomeMarkup()
    {
        auto tensors = test::runnableLlamaTensors();
        tensors[2].name = kNasty;
        ReportRequest wanted = request();
        wanted.model = test::makeModel(tensors, test::kRunnableLlamaConfig);
        const Report report = make(wanted);
        const QString html = QString::fromStdString(reportToHtml(report));
        QVERIFY(!html.contains("<script>alert"));
        QVERIFY(html.contains(QString::fromStdString(htmlEscaped(kNasty))));
        QVERIFY(!html.contains("a <note>"));
        QVERIFY(html.contains("a &lt;note&gt;"));
        const json document = json::parse(reportToJson(report));
        QCOMPARE(document.at("tensors").at(2).at("name").get<std::string>(), std::string(kNasty));
        QVERIFY(reportToCsv(report).find("<script>alert(\"\"x\"\")") != std::string::npos);
    }

    void escapingCoversEverything_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("escaped");
        QTest::newRow("markup") << QByteArray("<a & \"b\" 'c'>") << QByteArray("&lt;a &amp; &quot;b&quot; &#39;c&#39;&gt;");
        QTest::newRow("control character") << QByteArray("a\x01z") << QByteArray("a\xEF\xBF\xBDz");
        QTest::newRow("malformed UTF-8") << QByteArray("a\xFFz") << QByteArray("a\xEF\xBF\xBDz");
        QTest::newRow("accents stay") << QByteArray("\xC3\xA9") << QByteArray("\xC3\xA9");
    }
    void escapingCoversEverything()
    {
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, escaped);
        QCOMPARE(QByteArray::fromStdString(htmlEscaped(text.toStdString())), escaped);
    }

    void jsonAndCsvSayTheSame()
    {
        const Report report = make(request());
        const json document = json::parse(reportToJson(report));
        for (const char* key : {"quantloupe_report", "program", "date", "device", "model", "policy", "totals", "findings",
                                "tensors", "grids"})
            QVERIFY2(document.contains(key), key);
        QCOMPARE(document.at("policy").at("document").at("default").get<std::string>(), std::string("int4,group=16"));
        QCOMPARE(document.at("totals").at("bytes").get<uint64_t>(), report.storedBytes);
        const QStringList lines = QString::fromStdString(reportToCsv(report)).split('\n', Qt::SkipEmptyParts);
        QCOMPARE(lines.size(), qsizetype(report.tensors.size()) + 1);
        QCOMPARE(document.at("tensors").size(), report.tensors.size());
        const json& query = document.at("tensors").at(2);
        QVERIFY(lines[3].startsWith(QString::fromStdString(query.at("name").get<std::string>())));
        QVERIFY(lines[3].contains(QString::number(query.at("bytes").get<uint64_t>())));
    }

    void evaluationAndCalibrationAreStated()
    {
        Report report = make(request());
        auto evaluation = std::make_shared<Evaluation>();
        evaluation->text = "book <one>";
        evaluation->perplexity = {12.5, 0.25};
        evaluation->originalPerplexity = {12, 0.25};
        report.evaluation = evaluation;
        report.calibration = CalibrationSource::of("forward pass", *request().model);
        report.calibration->text = "words.txt";
        auto attribution = std::make_shared<Attribution>();
        attribution->entries.push_back({2, report.tensors[2].info.name, report.tensors[2].decision.scheme, {0.01, 0.001}});
        report.attribution = attribution;
        const QString html = QString::fromStdString(reportToHtml(report));
        for (const char* fact : {"book &lt;one&gt;", "12.50 ± 0.25", "words.txt", "Divergence by weight"})
            QVERIFY2(html.contains(fact), fact);
        const json document = json::parse(reportToJson(report));
        QCOMPARE(document.at("evaluation").at("perplexity").at("value").get<double>(), 12.5);
        QCOMPARE(document.at("calibration").at("text").get<std::string>(), std::string("words.txt"));
        QCOMPARE(document.at("attribution").size(), size_t(1));
    }

    void aModelWithoutLayersHasATableAllTheSame()
    {
        ReportRequest wanted = request();
        wanted.model = test::makeModel({{"w", test::normalValues(64, 1), {2, 32}}});
        const QString html = QString::fromStdString(reportToHtml(make(wanted)));
        QCOMPARE(rowsIn(html, "<h2>Tensors</h2>"), 1);
    }

    void aStopRequestEndsIt()
    {
        std::stop_source stop;
        stop.request_stop();
        const auto report = makeReport(m_backend, request(), *m_pool, {stop.get_token(), {}});
        QVERIFY(!report.ok());
        QCOMPARE(report.error().code, ErrorCode::Cancelled);
    }
};

QTEST_GUILESS_MAIN(TestReport)
#include "tst_report.moc"
